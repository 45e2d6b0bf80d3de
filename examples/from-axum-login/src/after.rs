//! The same application on hallpass, on the same database. Those who were logged in before still are.
//!
//! `after ADDRESS DATABASE SESSIONS KEYS UNTIL [GRACE]`: the first ones are those of before, the keys are made if they
//! are not there, and old sessions are adopted until this instant, in Unix seconds. With a grace, also in seconds, the
//! records of those who have come are deleted once it has passed.

mod records;

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::extract::{Form, FromRef, State};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use hallpass::adopt::{Adoption, AxumLogin, OldUser, ReadError, TowerSessionsReader};
use hallpass::axum::{
    Answer, CustomLogin, CustomPassword, LogoutRequest, OrNobody, Rejection, ServerSession, routes,
    sessions,
};
use hallpass::keys::{KeySource, Rotations};
use hallpass::session::clock::{Clock as _, SystemClock};
use hallpass::{
    Auth, AuthConfig, Authentication, KeptData, NewSession, Policy, SessionManager, SqliteStore,
    Subject, TokenIssuer, UnixTime,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sqlx::{Row as _, SqlitePool};

use crate::records::Records;

#[derive(Clone)]
struct App {
    auth: Auth,
    pool: SqlitePool,
}

impl FromRef<App> for Auth {
    fn from_ref(app: &App) -> Self {
        app.auth.clone()
    }
}

impl FromRef<App> for SqlitePool {
    fn from_ref(app: &App) -> Self {
        app.pool.clone()
    }
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

#[derive(Deserialize)]
struct NewPassword {
    old: String,
    password: String,
}

/// The database cannot be asked.
fn fault(_: sqlx::Error) -> Rejection {
    hallpass::http::Rejection::server_error().into()
}

const BY_ID: &str = "SELECT id, password_hash FROM users WHERE id = ?";
const BY_NAME: &str = "SELECT id, password_hash FROM users WHERE name = ?";

/// The id and the password's hash.
async fn user(
    pool: &SqlitePool,
    query: &'static str,
    value: &str,
) -> Result<Option<(i64, String)>, sqlx::Error> {
    let row = sqlx::query(query).bind(value).fetch_optional(pool).await?;
    row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .transpose()
}

/// Reads the sessions that are still where they were before.
fn old_sessions(records: Records, users: SqlitePool) -> Adoption {
    let reader = TowerSessionsReader::new(
        move |id| records.clone().read(id),
        move |data| old_user(users.clone(), data),
    );
    // Its cookie had a `Max-Age`, as `Expiry::OnInactivity` sets it.
    let adoption = Adoption::of(reader).trust_sister_hosts().remember(true);
    adoption.beyond_old_end()
}

/// Who is logged in, if the password is still the one with which they have logged in.
async fn old_user(
    pool: SqlitePool,
    data: Map<String, Value>,
) -> Result<Option<OldUser>, ReadError> {
    let Some(login) = AxumLogin::read(&data) else {
        return Ok(None);
    };
    let found = user(&pool, BY_ID, &login.user_id().to_string()).await?;
    let Some((id, _)) = found.filter(|(_, hash)| login.has_auth_hash(hash.as_bytes())) else {
        return Ok(None);
    };
    let notes = data.get("notes");
    let kept = notes.map(|notes| json!({ "notes": notes }).to_string());
    Ok(Some(OldUser {
        subject: Subject::new(id.to_string())?,
        session: NewSession {
            kept: kept.and_then(KeptData::new).unwrap_or_default(),
            ..NewSession::default()
        },
    }))
}

async fn form() -> Html<&'static str> {
    Html(
        "<form method=post><input name=name><input name=password type=password><button>Log in</button></form>",
    )
}

async fn login(
    login: CustomLogin,
    State(pool): State<SqlitePool>,
    Form(form): Form<Credentials>,
) -> Result<Answer, Rejection> {
    login.attempt(&form.name)?;
    let found = user(&pool, BY_NAME, &form.name).await.map_err(fault)?;
    let id = found.as_ref().map_or(-1, |(id, _)| *id);
    let ticket = login.begin(&*id.to_string()).await?;
    // Read again, now that a change of the password would overtake the login.
    match user(&pool, BY_NAME, &form.name).await.map_err(fault)? {
        Some((_, hash)) if password_auth::verify_password(&form.password, &hash).is_ok() => {
            let session = login.new_session(Authentication::password(login.at()));
            login.redirect(ticket, session, "/").await
        }
        _ => Err(login.invalid_credentials()),
    }
}

async fn logout(logout: LogoutRequest) -> Result<Answer, Rejection> {
    logout.redirect("/login").await
}

async fn home(
    OrNobody(session): OrNobody<ServerSession>,
    State(pool): State<SqlitePool>,
) -> Result<Response, Rejection> {
    let Some(session) = session else {
        return Ok(Redirect::temporary("/login?next=%2F").into_response());
    };
    let query = sqlx::query("SELECT name FROM users WHERE id = ?").bind(session.subject().as_str());
    let row = query.fetch_one(&pool).await.map_err(fault)?;
    Ok(row.get::<String, _>(0).into_response())
}

async fn note(session: ServerSession) -> Result<String, Rejection> {
    let one_more = |notes: Option<u64>| notes.unwrap_or(0) + 1;
    let notes = session.update("notes", one_more).await?;
    Ok(notes.to_string())
}

async fn password(
    password: CustomPassword,
    State(pool): State<SqlitePool>,
    Form(form): Form<NewPassword>,
) -> Result<Answer, Rejection> {
    let ticket = password.begin(None).await?;
    let id = ticket.session().subject.to_string();
    let known = user(&pool, BY_ID, &id).await.map_err(fault)?;
    let proven =
        known.is_some_and(|(_, hash)| password_auth::verify_password(&form.old, &hash).is_ok());
    if !proven {
        return Err(password.invalid_credentials());
    }
    let hash = password_auth::generate_hash(form.password);
    let store = async move {
        let update = sqlx::query("UPDATE users SET password_hash = ? WHERE id = ?");
        let update = update.bind(hash).bind(id).execute(&pool).await;
        update.map(drop).map_err(fault)
    };
    let authentication = Authentication::password(password.at());
    password.redirect(&ticket, authentication, "/", store).await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [address, database, old, keys, until, grace @ ..] = &args[..] else {
        return Err("ADDRESS DATABASE SESSIONS KEYS UNTIL [GRACE]".into());
    };
    let listener = tokio::net::TcpListener::bind(address).await?;
    let origin = format!("http://{}", listener.local_addr()?);
    let pool = SqlitePool::connect(&format!("sqlite:{database}")).await?;
    let records = Records::open(old, &pool)
        .await
        .map_err(|error| error.to_string())?;
    let until = UnixTime::from_secs(until.parse()?)?;
    let mut policy = Policy::builder().adopts_until(until);
    let mut adoption = old_sessions(records.clone(), pool.clone());
    if let [grace, ..] = grace {
        policy = policy.grace(Duration::from_secs(grace.parse()?));
        adoption = adoption.delete_old(move |id| records.clone().delete(id));
    }
    let policy = policy.build()?;
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
        .with_state(App { auth, pool });
    println!("{origin}");
    Ok(axum::serve(listener, app).await?)
}
