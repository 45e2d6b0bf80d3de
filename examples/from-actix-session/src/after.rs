//! The same application on hallpass, with its sessions in SQLite. Those who were logged in before still are.
//!
//! `after ADDRESS STORE KEY SECURITY FOLDER UNTIL [GRACE]`: the first ones are those of before, and old sessions are
//! adopted until this instant, in Unix seconds. The folder is for the sessions and the keys. With a grace, also in
//! seconds, the sessions of those who have come are deleted from Redis once it has passed.

mod users;

use std::error::Error;
use std::time::Duration;

use actix_web::web::{self, Form};
use actix_web::{App, HttpResponse, HttpServer};
use hallpass::actix::{
    Answer, CustomLogin, LogoutRequest, OrNobody, Rejection, ServerSession, routes, sessions,
};
use hallpass::adopt::{ActixSessionReader, Adoption, OldState, OldUser, ReadError};
use hallpass::keys::{KeySource, Rotations};
use hallpass::session::clock::{Clock as _, SystemClock};
use hallpass::{
    Auth, AuthConfig, Authentication, KeptData, NewSession, Policy, SessionManager, SqliteStore,
    Subject, TokenIssuer, UnixTime,
};
use redis::AsyncCommands as _;
use redis::aio::MultiplexedConnection;
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

/// Reads the sessions that are still in the cookie or the Redis of before.
async fn old_sessions(store: &str, key: &str, signed: bool) -> Result<Adoption, Box<dyn Error>> {
    if store == "cookie" {
        let reader = ActixSessionReader::cookie_store(key.as_bytes(), old_user)?;
        let reader = if signed { reader.signed() } else { reader };
        return Ok(Adoption::of(reader).trust_sister_hosts().remember(false));
    }
    let client = redis::Client::open(store)?;
    let redis = client.get_multiplexed_async_connection().await?;
    let load = move |key| state(redis.clone(), key);
    let reader = ActixSessionReader::new(key.as_bytes(), load, old_user)?;
    let reader = if signed { reader.signed() } else { reader };
    let adoption = Adoption::of(reader).trust_sister_hosts().remember(false);
    Ok(adoption.beyond_old_end())
}

async fn state(
    mut redis: MultiplexedConnection,
    key: String,
) -> Result<Option<OldState>, ReadError> {
    let json: Option<String> = redis.get(&key).await?;
    let seconds: i64 = redis.ttl(&key).await?;
    let lives_for = u64::try_from(seconds).ok().map(Duration::from_secs);
    Ok(json.map(|json| OldState { json, lives_for }))
}

/// Deletes a session of before, which is not needed any more.
async fn delete(mut redis: MultiplexedConnection, key: String) -> Result<(), ReadError> {
    Ok(redis.del(key).await?)
}

/// Who is logged in, if there still is such a user.
async fn old_user(state: Map<String, Value>) -> Result<Option<OldUser>, ReadError> {
    let name = state.get("user_id").and_then(Value::as_str);
    let Some(name) = name.filter(|name| users::is_user(name)) else {
        return Ok(None);
    };
    let notes = state.get("notes");
    let kept = notes.map(|notes| json!({ "notes": notes }).to_string());
    Ok(Some(OldUser {
        subject: Subject::new(name)?,
        session: NewSession {
            kept: kept.and_then(KeptData::new).unwrap_or_default(),
            ..NewSession::default()
        },
    }))
}

async fn form() -> HttpResponse {
    HttpResponse::Ok().content_type("text/html").body(
        "<form method=post><input name=name><input name=password type=password><button>Log in</button></form>",
    )
}

async fn login(login: CustomLogin, form: Form<Credentials>) -> Result<Answer, Rejection> {
    login.attempt(&form.name)?;
    let ticket = login.begin(&*form.name).await?;
    if !users::is_password(&form.name, &form.password) {
        return Err(login.invalid_credentials());
    }
    let session = login.new_session(Authentication::password(login.at()));
    login.redirect(ticket, session, "/").await
}

async fn logout(logout: LogoutRequest) -> Result<Answer, Rejection> {
    logout.redirect("/login").await
}

async fn home(OrNobody(session): OrNobody<ServerSession>) -> HttpResponse {
    match session {
        Some(session) => HttpResponse::Ok().body(session.subject().to_string()),
        None => HttpResponse::SeeOther()
            .insert_header(("location", "/login"))
            .finish(),
    }
}

async fn note(session: ServerSession) -> Result<String, Rejection> {
    let one_more = |notes: Option<u64>| notes.unwrap_or(0) + 1;
    let notes = session.update("notes", one_more).await?;
    Ok(notes.to_string())
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [address, store, key, security, folder, until, grace @ ..] = &args[..] else {
        return Err("ADDRESS STORE KEY SECURITY FOLDER UNTIL [GRACE]".into());
    };
    let listener = std::net::TcpListener::bind(address)?;
    let origin = format!("http://{}", listener.local_addr()?);
    let until = UnixTime::from_secs(until.parse()?)?;
    let mut policy = Policy::builder().adopts_until(until);
    let mut adoption = old_sessions(store, key, security == "signed").await?;
    if let [grace, ..] = grace {
        policy = policy.grace(Duration::from_secs(grace.parse()?));
        let client = redis::Client::open(&**store)?;
        let redis = client.get_multiplexed_async_connection().await?;
        adoption = adoption.delete_old(move |key| delete(redis.clone(), key));
    }
    let policy = policy.build()?;
    let (day, now) = (Duration::from_hours(24), SystemClock.now());
    let rotations = Rotations::new(&policy, day * 30, Duration::from_mins(5))?;
    let keys: KeySource = format!("{folder}/keys.json").parse()?;
    let keys = keys.open(None, Some(&rotations), now)?;
    let (access, refresh) = keys.rings(&rotations, now)?;
    let issuer = TokenIssuer::builder(
        "https://app.example".parse()?,
        "https://app.example".parse()?,
    );
    let issuer = issuer.policy(policy).build(access, refresh);
    let sqlite = SqliteStore::open(format!("{folder}/sessions.db")).await?;
    let manager = SessionManager::builder(sqlite, issuer).build()?;
    let config = AuthConfig::builder(origin.parse()?);
    let config = config.adopt(adoption).build()?;
    let auth = Auth::new(manager, config);
    let server = HttpServer::new(move || {
        App::new()
            .wrap(sessions())
            .configure(routes(&auth))
            .route("/", web::get().to(home))
            .route("/notes", web::post().to(note))
            .route("/login", web::get().to(form))
            .route("/login", web::post().to(login))
            .route("/logout", web::post().to(logout))
    });
    let server = server.workers(1).listen(listener)?;
    println!("{origin}");
    Ok(server.run().await?)
}
