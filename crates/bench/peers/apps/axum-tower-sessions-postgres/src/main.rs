//! `/api/me` on axum, behind tower-sessions with its sqlx store on PostgreSQL.

#[path = "../../me.rs"]
mod me;

use axum::http::StatusCode;
use axum::{Json, Router, routing::get, routing::post};
use time::Duration;
use tokio::net::TcpListener;
use tower_sessions_014::{Expiry, Session, SessionManagerLayer};
use tower_sessions_sqlx_store::PostgresStore;
use tower_sessions_sqlx_store::sqlx::PgPool;

use self::me::Me;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let url = std::env::args().nth(1).expect("it is told which database");
    let pool = PgPool::connect(&url).await.expect("a database");
    let store = PostgresStore::new(pool);
    store.migrate().await.expect("there is room");
    let sessions =
        SessionManagerLayer::new(store).with_expiry(Expiry::OnInactivity(Duration::days(1)));
    let app = Router::new()
        .route("/login", post(login))
        .route("/api/me", get(answer))
        .layer(sessions);
    let listener = TcpListener::from_std(me::listen("login")).expect("it does not block");
    axum::serve(listener, app).await.expect("it serves");
}

async fn login(session: Session) -> StatusCode {
    let inserted = session.insert("user", Me::anybody()).await;
    inserted.map_or(StatusCode::INTERNAL_SERVER_ERROR, |()| {
        StatusCode::NO_CONTENT
    })
}

async fn answer(session: Session) -> Result<Json<Me>, StatusCode> {
    match session.get("user").await {
        Ok(Some(user)) => Ok(Json(user)),
        Ok(None) => Err(StatusCode::UNAUTHORIZED),
        Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR),
    }
}
