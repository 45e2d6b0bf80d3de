//! `/api/me` on axum, for anybody.

#[path = "../../me.rs"]
mod me;

use axum::{Json, Router, routing::get};
use tokio::net::TcpListener;

use self::me::Me;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let app = Router::new().route("/api/me", get(async || Json(Me::anybody())));
    let listener = TcpListener::from_std(me::listen("Accept: */*")).expect("it does not block");
    axum::serve(listener, app).await.expect("it serves");
}
