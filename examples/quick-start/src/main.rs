//! Log in, call, refresh, log out: everything that a server needs.

use adapter_axum::{Access, Answer, Auth, AuthConfig, LoginRequest, Rejection};
use axum::{Router, routing::get, routing::post};
use token_core::Policy;
use token_session::{MemoryStore, SessionManager, ephemeral_issuer};

async fn login(login: LoginRequest) -> Result<Answer, Rejection> {
    let subject = login
        .username()
        .parse()
        .map_err(|_| login.invalid_credentials())?;
    let ticket = login.begin(subject).await?; // before the password is checked
    if login.password() != "wonderland" {
        return Err(login.invalid_credentials().into()); // your check goes here
    }
    Ok(login.open(ticket, login.new_session()).await?.into())
}

async fn hello(caller: Access) -> String {
    format!("Hello, {}!\n", caller.subject())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:3000".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    let origin = format!("http://{}", listener.local_addr()?);

    let issuer = ephemeral_issuer(origin.parse()?, origin.parse()?, Policy::default())?;
    let manager = SessionManager::builder(MemoryStore::with_capacity(100_000), issuer).build()?;
    let auth = Auth::new(manager, AuthConfig::builder(origin.parse()?).build()?);
    let app = Router::new()
        .route("/auth/login", post(login))
        .route("/hello", get(hello))
        .merge(adapter_axum::routes(&auth)) // refresh, logout, sessions, keys, …
        .with_state(auth);
    Ok(axum::serve(listener, app).await?)
}
