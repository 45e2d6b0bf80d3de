//! The same on actix-web.

use actix_web::{App, HttpServer, web};
use hallpass::actix::{Access, Answer, Auth, LoginRequest, Rejection};

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

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:3000".into());
    let auth = Auth::in_memory(&format!("http://{address}"))?;
    let app = move || {
        App::new()
            .route("/auth/login", web::post().to(login))
            .route("/hello", web::get().to(hello))
            .configure(hallpass::actix::routes(&auth)) // refresh, logout, sessions, keys, …
    };
    Ok(HttpServer::new(app).bind(address)?.run().await?)
}
