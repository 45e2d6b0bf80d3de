//! The application as it was: axum-login on tower-sessions. `docs/from-axum-login.md` walks through what changes.
//!
//! `before ADDRESS DATABASE SESSIONS`: a file of SQLite with the users, and the address of a PostgreSQL or Redis with the
//! sessions, or `sqlite` if they are in that file too.

use std::error::Error;

use axum::extract::Form;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Router, http::StatusCode};
use axum_login::{
    AuthManagerLayerBuilder, AuthSession, AuthUser, AuthnBackend, UserId, login_required,
};
use serde::Deserialize;
use time::Duration;
use tower_sessions::{Expiry, Session, SessionManagerLayer, SessionStore};
use tower_sessions_redis_store::RedisStore;
use tower_sessions_redis_store::fred::prelude::{Client, ClientLike as _, Config};
use tower_sessions_sqlx_store::sqlx::{self, PgPool, Row as _, SqlitePool};
use tower_sessions_sqlx_store::{PostgresStore, SqliteStore};

#[derive(Clone, Debug)]
struct User {
    id: i64,
    name: String,
    password_hash: String,
}

impl AuthUser for User {
    type Id = i64;

    fn id(&self) -> i64 {
        self.id
    }

    /// A change of the password ends every other session.
    fn session_auth_hash(&self) -> &[u8] {
        self.password_hash.as_bytes()
    }
}

#[derive(Clone, Debug, Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

#[derive(Deserialize)]
struct NewPassword {
    password: String,
}

#[derive(Clone, Debug)]
struct Backend {
    pool: SqlitePool,
}

impl Backend {
    async fn user(&self, column: &str, value: &str) -> Result<Option<User>, sqlx::Error> {
        let query = format!("SELECT id, name, password_hash FROM users WHERE {column} = ?");
        let row = sqlx::query(&query).bind(value).fetch_optional(&self.pool);
        let row = row.await?;
        let user = row.map(|row| {
            Ok(User {
                id: row.try_get(0)?,
                name: row.try_get(1)?,
                password_hash: row.try_get(2)?,
            })
        });
        user.transpose()
    }
}

impl AuthnBackend for Backend {
    type User = User;
    type Credentials = Credentials;
    type Error = sqlx::Error;

    async fn authenticate(&self, given: Credentials) -> Result<Option<User>, sqlx::Error> {
        let user = self.user("name", &given.name).await?;
        Ok(user.filter(|user| {
            password_auth::verify_password(&given.password, &user.password_hash).is_ok()
        }))
    }

    async fn get_user(&self, id: &UserId<Self>) -> Result<Option<User>, sqlx::Error> {
        self.user("id", &id.to_string()).await
    }
}

type Auth = AuthSession<Backend>;

async fn form() -> Html<&'static str> {
    Html(
        "<form method=post><input name=name><input name=password type=password><button>Log in</button></form>",
    )
}

async fn login(mut auth: Auth, Form(form): Form<Credentials>) -> Response {
    match auth.authenticate(form).await {
        Ok(Some(user)) if auth.login(&user).await.is_ok() => Redirect::to("/").into_response(),
        Ok(_) => StatusCode::UNAUTHORIZED.into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn logout(mut auth: Auth) -> Response {
    match auth.logout().await {
        Ok(_) => Redirect::to("/login").into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn home(auth: Auth) -> String {
    auth.user.map_or(String::new(), |user| user.name)
}

/// Counts the notes of this session.
async fn note(session: Session) -> Result<String, StatusCode> {
    let fault = |_| StatusCode::INTERNAL_SERVER_ERROR;
    let notes = session
        .get::<u64>("notes")
        .await
        .map_err(fault)?
        .unwrap_or(0)
        + 1;
    session.insert("notes", notes).await.map_err(fault)?;
    Ok(notes.to_string())
}

async fn password(mut auth: Auth, Form(form): Form<NewPassword>) -> Result<Redirect, StatusCode> {
    let mut user = auth.user.clone().ok_or(StatusCode::UNAUTHORIZED)?;
    user.password_hash = password_auth::generate_hash(form.password);
    let update = sqlx::query("UPDATE users SET password_hash = ? WHERE id = ?")
        .bind(&user.password_hash)
        .bind(user.id);
    let fault = StatusCode::INTERNAL_SERVER_ERROR;
    update
        .execute(&auth.backend.pool)
        .await
        .map_err(|_| fault)?;
    auth.login(&user).await.map_err(|_| fault)?;
    Ok(Redirect::to("/"))
}

async fn serve<S>(address: &str, pool: SqlitePool, store: S) -> Result<(), Box<dyn Error>>
where
    S: SessionStore + Clone,
{
    let sessions =
        SessionManagerLayer::new(store).with_expiry(Expiry::OnInactivity(Duration::days(14)));
    let auth = AuthManagerLayerBuilder::new(Backend { pool }, sessions).build();
    let app = Router::new()
        .route("/", get(home))
        .route("/notes", post(note))
        .route("/password", post(password))
        .route_layer(login_required!(Backend, login_url = "/login"))
        .route("/login", get(form).post(login))
        .route("/logout", post(logout))
        .layer(auth);
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [address, database, sessions] = &args[..] else {
        return Err("ADDRESS DATABASE SESSIONS".into());
    };
    let pool = SqlitePool::connect(&format!("sqlite:{database}")).await?;
    if sessions == "sqlite" {
        let store = SqliteStore::new(pool.clone());
        store.migrate().await?;
        serve(address, pool, store).await
    } else if sessions.starts_with("postgres:") {
        let store = PostgresStore::new(PgPool::connect(sessions).await?);
        store.migrate().await?;
        serve(address, pool, store).await
    } else {
        let client = Client::new(Config::from_url(sessions)?, None, None, None);
        client.init().await?;
        serve(address, pool, RedisStore::new(client)).await
    }
}
