//! The same on actix-web.

use actix_web::web::{get, post};
use actix_web::{App, HttpServer};
use adapter_actix::{Access, Answer, Auth, AuthConfig, LoginRequest, Rejection};
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

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:3000".into());
    let listener = std::net::TcpListener::bind(address)?;
    let origin = format!("http://{}", listener.local_addr()?);

    let issuer = ephemeral_issuer(origin.parse()?, origin.parse()?, Policy::default())?;
    let manager = SessionManager::builder(MemoryStore::with_capacity(100_000), issuer).build()?;
    let auth = Auth::new(manager, AuthConfig::builder(origin.parse()?).build()?);
    let app = move || {
        App::new()
            .route("/auth/login", post().to(login))
            .route("/hello", get().to(hello))
            .configure(adapter_actix::routes(&auth)) // refresh, logout, sessions, keys, …
    };
    Ok(HttpServer::new(app).listen(listener)?.run().await?)
}
