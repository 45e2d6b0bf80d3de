//! `/api/me` on axum, behind tower-sessions with its Redis store.

#[path = "../../me.rs"]
mod me;

use axum::http::StatusCode;
use axum::{Json, Router, routing::get, routing::post};
use time::Duration;
use tokio::net::TcpListener;
use tower_sessions_014::{Expiry, Session, SessionManagerLayer};
use tower_sessions_redis_store::RedisStore;
use tower_sessions_redis_store::fred::prelude::{ClientLike as _, Config, Pool};

use self::me::Me;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let url = std::env::args().nth(1).expect("it is told where Redis is");
    let config = Config::from_url(&url).expect("a URL of Redis");
    // As many connections as in its own example.
    let pool = Pool::new(config, None, None, None, 6).expect("a pool");
    let _running = pool.connect();
    pool.wait_for_connect().await.expect("Redis answers");
    let sessions = SessionManagerLayer::new(RedisStore::new(pool))
        .with_expiry(Expiry::OnInactivity(Duration::days(1)));
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
