//! A server with this store: `cargo run -p custom-store`, then log in as the README does.

use axum::Router;
use axum::routing::{get, post};
use custom_store::RedbStore;
use hallpass::axum::{Access, Answer, Auth, AuthConfig, LoginRequest, Rejection};
use hallpass::{Policy, SessionManager, ephemeral_issuer};

async fn login(login: LoginRequest) -> Result<Answer, Rejection> {
    let ticket = login.begin(login.username()).await?; // before the password is checked
    if login.password() != "wonderland" {
        return Err(login.invalid_credentials());
    }
    login.open(ticket, login.new_session()).await
}

async fn hello(caller: Access) -> String {
    format!("Hello, {}!\n", caller.subject())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let origin = "http://127.0.0.1:3000";
    let issuer = ephemeral_issuer(origin.parse()?, origin.parse()?, Policy::default())?;
    let store = RedbStore::open("sessions.redb")?;
    let manager = SessionManager::builder(store, issuer).build()?;
    let auth = Auth::new(manager, AuthConfig::builder(origin.parse()?).build()?);
    let app = Router::new()
        .route("/auth/login", post(login))
        .route("/hello", get(hello))
        .merge(hallpass::axum::routes(&auth))
        .with_state(auth);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(listener, app).await?)
}
