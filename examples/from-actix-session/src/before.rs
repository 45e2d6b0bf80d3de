//! The application as it was: actix-session, with the cookie or Redis as its store. `docs/from-actix-session.md`
//! walks through what changes.
//!
//! `before ADDRESS STORE KEY SECURITY`: the store is `cookie` or the address of a Redis, the key has 64 characters, and
//! the cookie is `private` or `signed`.

mod users;

use std::error::Error;

use actix_session::config::CookieContentSecurity;
use actix_session::storage::{CookieSessionStore, RedisSessionStore, SessionStore};
use actix_session::{Session, SessionMiddleware};
use actix_web::cookie::Key;
use actix_web::web::{self, Form};
use actix_web::{App, HttpResponse, HttpServer};
use serde::Deserialize;

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

async fn form() -> HttpResponse {
    HttpResponse::Ok().content_type("text/html").body(
        "<form method=post><input name=name><input name=password type=password><button>Log in</button></form>",
    )
}

async fn login(session: Session, form: Form<Credentials>) -> actix_web::Result<HttpResponse> {
    if !users::is_password(&form.name, &form.password) {
        return Ok(HttpResponse::Unauthorized().finish());
    }
    session.renew();
    session.insert("user_id", &form.name)?;
    Ok(see_other("/"))
}

async fn logout(session: Session) -> HttpResponse {
    session.purge();
    see_other("/login")
}

async fn home(session: Session) -> actix_web::Result<HttpResponse> {
    Ok(match session.get::<String>("user_id")? {
        Some(user) => HttpResponse::Ok().body(user),
        None => see_other("/login"),
    })
}

/// Counts the notes of this session.
async fn note(session: Session) -> actix_web::Result<HttpResponse> {
    if session.get::<String>("user_id")?.is_none() {
        return Ok(HttpResponse::Unauthorized().finish());
    }
    let notes = session.get::<u64>("notes")?.unwrap_or(0) + 1;
    session.insert("notes", notes)?;
    Ok(HttpResponse::Ok().body(notes.to_string()))
}

fn see_other(path: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header(("location", path))
        .finish()
}

async fn serve<S>(
    address: &str,
    key: &str,
    security: CookieContentSecurity,
    store: impl Fn() -> S + Clone + Send + 'static,
) -> Result<(), Box<dyn Error>>
where
    S: SessionStore + 'static,
{
    let key = Key::from(key.as_bytes());
    let server = HttpServer::new(move || {
        let sessions = SessionMiddleware::builder(store(), key.clone());
        App::new()
            .wrap(sessions.cookie_content_security(security).build())
            .route("/", web::get().to(home))
            .route("/notes", web::post().to(note))
            .route("/login", web::get().to(form))
            .route("/login", web::post().to(login))
            .route("/logout", web::post().to(logout))
    });
    let server = server.workers(1).bind(address)?;
    for address in server.addrs() {
        println!("http://{address}");
    }
    Ok(server.run().await?)
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [address, store, key, security] = &args[..] else {
        return Err("ADDRESS STORE KEY SECURITY".into());
    };
    let security = match &**security {
        "signed" => CookieContentSecurity::Signed,
        _ => CookieContentSecurity::Private,
    };
    if store == "cookie" {
        return serve(address, key, security, CookieSessionStore::default).await;
    }
    let redis = RedisSessionStore::new(store).await?;
    serve(address, key, security, move || redis.clone()).await
}
