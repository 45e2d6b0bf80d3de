//! A server on a store of its own: `cargo run -p custom-store`, then log in as the README does.

use adapter_axum::{Access, Answer, Auth, AuthConfig, LoginRequest, Rejection};
use axum::Router;
use axum::routing::{get, post};
use custom_store::RedbStore;
use token_core::Policy;
use token_session::{SessionManager, ephemeral_issuer};

async fn login(login: LoginRequest) -> Result<Answer, Rejection> {
    let subject = login
        .username()
        .parse()
        .map_err(|_| login.invalid_credentials())?;
    let ticket = login.begin(subject).await?;
    if login.password() != "wonderland" {
        return Err(login.invalid_credentials().into());
    }
    Ok(login.open(ticket, login.new_session()).await?.into())
}

async fn hello(caller: Access) -> String {
    format!("Hello, {}!\n", caller.subject())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    let issuer = ephemeral_issuer(origin.parse()?, origin.parse()?, Policy::default())?;
    let store = RedbStore::open("sessions.redb")?;
    let manager = SessionManager::builder(store, issuer).build()?;
    let auth = Auth::new(manager, AuthConfig::builder(origin.parse()?).build()?);
    let app = Router::new()
        .route("/auth/login", post(login))
        .route("/hello", get(hello))
        .merge(adapter_axum::routes(&auth))
        .with_state(auth);
    Ok(axum::serve(listener, app).await?)
}
