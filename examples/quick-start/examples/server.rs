//! A server to begin with: keys in a file, sessions and users in SQLite, tokens and session cookies.

use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;

use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, serve};
use hallpass::SqliteStore;
use hallpass::axum::{Answer, Any, Auth, LoginRequest, Rejection, from_errors, routes, sessions};
use hallpass::password::Passwords;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Clone, FromRef)]
struct AppState {
    auth: Auth,
    users: Users,
}

/// The table of users: yours.
#[derive(Clone)]
struct Users {
    table: SqlitePool,
    passwords: Passwords,
}

impl Users {
    async fn open(path: &Path) -> Result<Self, Box<dyn Error>> {
        let file = SqliteConnectOptions::new().filename(path);
        let table = SqlitePool::connect_with(file.create_if_missing(true)).await?;
        let create = "CREATE TABLE IF NOT EXISTS users (name TEXT PRIMARY KEY, hash TEXT NOT NULL)";
        sqlx::query(create).execute(&table).await?;
        let passwords = Passwords::new().await?;
        Ok(Self { table, passwords })
    }

    /// Whether the name was free.
    async fn add(&self, name: &str, hash: &str) -> Result<bool, sqlx::Error> {
        let insert =
            "INSERT INTO users (name, hash) VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING name";
        let added = sqlx::query_scalar::<_, String>(insert)
            .bind(name)
            .bind(hash);
        Ok(added.fetch_optional(&self.table).await?.is_some())
    }

    /// `None` if there is no such user.
    async fn hash_of(&self, name: &str) -> Result<Option<String>, sqlx::Error> {
        let select = sqlx::query_scalar("SELECT hash FROM users WHERE name = ?");
        select.bind(name).fetch_optional(&self.table).await
    }
}

enum AppError {
    Auth(Rejection),
    Database(sqlx::Error),
    Taken,
    TooShort,
}

from_errors!(AppError, AppError::Auth);

impl From<sqlx::Error> for AppError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        match self {
            Self::Auth(rejection) => rejection.into_response(),
            Self::Database(error) => {
                tracing::error!(%error, "the table of users cannot be used");
                StatusCode::SERVICE_UNAVAILABLE.into_response()
            }
            Self::Taken => (StatusCode::CONFLICT, "the name is taken\n").into_response(),
            Self::TooShort => (StatusCode::BAD_REQUEST, "at least 8 characters\n").into_response(),
        }
    }
}

async fn sign_up(State(users): State<Users>, login: LoginRequest) -> Result<Answer, AppError> {
    if login.password().chars().count() < 8 {
        return Err(AppError::TooShort);
    }
    let ticket = login.begin(login.username()).await?;
    let hash = users.passwords.hash(login.password()).await?;
    if !users.add(login.username(), &hash).await? {
        return Err(AppError::Taken);
    }
    Ok(login.open(ticket, login.new_session()).await?)
}

async fn login(State(users): State<Users>, login: LoginRequest) -> Result<Answer, AppError> {
    let ticket = login.begin(login.username()).await?; // before the password is checked
    let hash = users.hash_of(login.username()).await?;
    let right = users.passwords.verify(login.password(), hash.as_deref());
    if !right.await? {
        return Err(login.invalid_credentials().into());
    }
    Ok(login.open(ticket, login.new_session()).await?)
}

/// For access tokens and session cookies.
async fn hello(caller: Any) -> String {
    format!("Hello, {}!\n", caller.subject())
}

/// `origin` is how browsers call this server. Keys and databases are kept in `folder`.
pub(crate) async fn run(
    listener: TcpListener,
    origin: &str,
    folder: &Path,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Box<dyn Error>> {
    let store = SqliteStore::open(folder.join("sessions.db")).await?;
    let keys = folder.join("keys.json"); // made if it is not there
    let (auth, background) = Auth::open(origin, store, keys).await?;
    let users = Users::open(&folder.join("users.db")).await?;
    let app = Router::new()
        .route("/sign-up", post(sign_up))
        .route("/auth/login", post(login))
        .route("/hello", get(hello))
        .merge(routes(&auth))
        .layer(sessions())
        .with_state(AppState { auth, users });

    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    serve(listener, app).with_graceful_shutdown(stop).await?;
    background.end().await;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt::init();
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    run(listener, "http://127.0.0.1:3000", Path::new("."), stop).await
}
