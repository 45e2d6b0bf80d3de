//! The application on hallpass, with the users of Django's database. Those who were logged in before still are.
//!
//! `after ADDRESS DATABASE SECRETS KEYS UNTIL [delete]`: the secrets of Django, with commas between them; the keys are
//! made if they are not there, and old sessions are adopted until this instant, in Unix seconds. With `delete` their rows
//! go once they are not needed.

mod django;

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::extract::{Form, FromRef, State};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use hallpass::adopt::{Adoption, OldUser, ReadError};
use hallpass::axum::{
    Answer, CustomLogin, CustomPassword, LogoutRequest, OrNobody, Rejection, ServerSession, routes,
    sessions,
};
use hallpass::keys::{KeySource, Rotations};
use hallpass::password::Passwords;
use hallpass::session::clock::{Clock as _, SystemClock};
use hallpass::{
    Auth, AuthConfig, Authentication, KeptData, NewSession, Policy, SessionManager, SqliteStore,
    Subject, TokenIssuer, UnixTime,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sqlx::{Row as _, SqlitePool};

use crate::django::{Database, DjangoReader, DjangoUser, Row};

#[derive(Clone, FromRef)]
struct App {
    auth: Auth,
    passwords: Passwords,
    pool: SqlitePool,
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

#[derive(Deserialize)]
struct NewPassword {
    password: String,
}

/// The database cannot be asked, or a password cannot be hashed.
fn fault(_: impl Error) -> Rejection {
    hallpass::http::Rejection::server_error().into()
}

/// The old sessions and the users.
struct Site(SqlitePool);

impl Database for Site {
    async fn row(&self, key: &str) -> Result<Option<Row>, ReadError> {
        // With `USE_TZ` the time is in UTC.
        let query =
            "SELECT session_data, unixepoch(expire_date) FROM django_session WHERE session_key = ?";
        let row = sqlx::query(query).bind(key).fetch_optional(&self.0).await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Row {
            session_data: row.try_get(0)?,
            expire_date: UnixTime::from_secs(row.try_get::<i64, _>(1)?.try_into()?)?,
        }))
    }

    async fn user(
        &self,
        id: &str,
        data: &Map<String, Value>,
    ) -> Result<Option<DjangoUser>, ReadError> {
        let query = "SELECT password FROM auth_user WHERE id = ? AND is_active";
        let row = sqlx::query(query).bind(id).fetch_optional(&self.0).await?;
        let Some(row) = row else { return Ok(None) };
        let notes = data.get("notes");
        let kept = notes.map(|notes| json!({ "notes": notes }).to_string());
        Ok(Some(DjangoUser {
            password: row.try_get(0)?,
            user: OldUser {
                subject: Subject::new(id)?,
                session: NewSession {
                    kept: kept.and_then(KeptData::new).unwrap_or_default(),
                    ..NewSession::default()
                },
            },
        }))
    }
}

/// Deletes a session of Django.
async fn delete(pool: SqlitePool, key: String) -> Result<(), ReadError> {
    let query = sqlx::query("DELETE FROM django_session WHERE session_key = ?");
    query.bind(key).execute(&pool).await?;
    Ok(())
}

async fn form() -> Html<&'static str> {
    Html(
        "<form method=post><input name=name><input name=password type=password><button>Log in</button></form>",
    )
}

/// The id and the password's hash of a user who may log in.
async fn user(pool: &SqlitePool, name: &str) -> Result<Option<(String, String)>, Rejection> {
    let query = "SELECT CAST(id AS TEXT), password FROM auth_user WHERE username = ? AND is_active";
    let row = sqlx::query_as(query).bind(name).fetch_optional(pool).await;
    row.map_err(fault)
}

async fn login(
    login: CustomLogin,
    State(app): State<App>,
    Form(form): Form<Credentials>,
) -> Result<Answer, Rejection> {
    login.attempt(&form.name)?;
    let id = user(&app.pool, &form.name).await?.map(|(id, _)| id);
    let ticket = login.begin(id.as_deref().unwrap_or("-1")).await?;
    let hash = user(&app.pool, &form.name).await?.map(|(_, hash)| hash);
    // Not `verify_and_upgrade` as long as old sessions are adopted: they depend on what is in the column.
    let right = app.passwords.verify(&form.password, hash.as_deref());
    if !right.await.map_err(fault)? {
        return Err(login.invalid_credentials());
    }
    let session = login.new_session(Authentication::password(login.at()));
    login.redirect(ticket, session, "/").await
}

async fn logout(logout: LogoutRequest) -> Result<Answer, Rejection> {
    logout.redirect("/login").await
}

async fn home(
    OrNobody(session): OrNobody<ServerSession>,
    State(pool): State<SqlitePool>,
) -> Result<Response, Rejection> {
    let Some(session) = session else {
        return Ok(Redirect::to("/login?next=/").into_response());
    };
    let query = "SELECT username FROM auth_user WHERE id = ?";
    let query = sqlx::query_scalar(query).bind(session.subject().as_str());
    let name: String = query.fetch_one(&pool).await.map_err(fault)?;
    Ok(name.into_response())
}

async fn note(session: ServerSession) -> Result<String, Rejection> {
    let one_more = |notes: Option<u64>| notes.unwrap_or(0) + 1;
    let notes = session.update("notes", one_more).await?;
    Ok(notes.to_string())
}

async fn password(
    password: CustomPassword,
    State(app): State<App>,
    Form(form): Form<NewPassword>,
) -> Result<Answer, Rejection> {
    let ticket = password.begin(None).await?;
    let id = ticket.session().subject.to_string();
    let hash = app.passwords.hash(&form.password).await.map_err(fault)?;
    let store = async move {
        // As Django writes it, so that it can read it after a roll back.
        let hash = format!("argon2{hash}");
        let update = sqlx::query("UPDATE auth_user SET password = ? WHERE id = ?");
        let update = update.bind(hash).bind(id).execute(&app.pool).await;
        update.map(drop).map_err(fault)
    };
    let authentication = Authentication::password(password.at());
    password.redirect(&ticket, authentication, "/", store).await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [address, database, secrets, keys, until, choice @ ..] = &args[..] else {
        return Err("ADDRESS DATABASE SECRETS KEYS UNTIL [delete]".into());
    };
    let listener = tokio::net::TcpListener::bind(address).await?;
    let origin = format!("http://{}", listener.local_addr()?);
    let pool = SqlitePool::connect(&format!("sqlite:{database}")).await?;
    let until = UnixTime::from_secs(until.parse()?)?;
    let policy = Policy::builder().adopts_until(until).build()?;
    let (day, now) = (Duration::from_hours(24), SystemClock.now());
    let rotations = Rotations::new(&policy, day * 30, Duration::from_mins(5))?;
    let keys = keys
        .parse::<KeySource>()?
        .open(None, Some(&rotations), now)?;
    let (access, refresh) = keys.rings(&rotations, now)?;
    let issuer = TokenIssuer::builder(
        "https://app.example".parse()?,
        "https://app.example".parse()?,
    );
    let issuer = issuer.policy(policy).build(access, refresh);
    let store = SqliteStore::open(database).await?;
    let manager = SessionManager::builder(store, issuer).build()?;
    let reader = DjangoReader::new(secrets.split(','), Site(pool.clone()));
    // Django's cookie outlives the browser unless `SESSION_EXPIRE_AT_BROWSER_CLOSE` is set.
    let mut adoption = Adoption::of(reader).trust_sister_hosts().remember(true);
    if choice == ["delete"] {
        let pool = pool.clone();
        adoption = adoption.delete_old(move |key| delete(pool.clone(), key));
    }
    let config = AuthConfig::builder(origin.parse()?)
        .adopt(adoption)
        .build()?;
    let auth = Auth::new(manager, config);
    let app = Router::new()
        .route("/", get(home))
        .route("/notes", post(note))
        .route("/password", post(password))
        .route("/login", get(form).post(login))
        .route("/logout", post(logout))
        .merge(routes(&auth))
        .layer(sessions())
        .with_state(App {
            auth,
            passwords: Passwords::new().await?,
            pool,
        });
    println!("{origin}");
    Ok(axum::serve(listener, app).await?)
}
