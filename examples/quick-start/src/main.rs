//! Log in, call, refresh, log out: everything that a server needs.

use axum::{Router, routing::get, routing::post};
use hallpass::axum::{Access, Answer, Auth, LoginRequest, Rejection};

async fn login(login: LoginRequest) -> Result<Answer, Rejection> {
    let ticket = login.begin(login.username()).await?; // before the password is checked
    if login.password() != "wonderland" {
        return Err(login.invalid_credentials()); // your check goes here
    }
    login.open(ticket, login.new_session()).await
}

async fn hello(caller: Access) -> String {
    format!("Hello, {}!\n", caller.subject())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:3000".into());
    let auth = Auth::in_memory(&format!("http://{address}"))?;
    let app = Router::new()
        .route("/auth/login", post(login))
        .route("/hello", get(hello))
        .merge(hallpass::axum::routes(&auth)) // refresh, logout, sessions, keys, …
        .with_state(auth);
    let listener = tokio::net::TcpListener::bind(address).await?;
    Ok(axum::serve(listener, app).await?)
}
