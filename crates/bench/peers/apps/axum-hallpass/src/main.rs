//! `/api/me` on axum, behind this library: a token or a session cookie.

#[path = "../../me.rs"]
mod me;

use adapter_axum::{Any, Auth, AuthConfig};
use axum::{Json, Router, routing::get};
use token_core::Policy;
use token_session::{MemoryStore, NewSession, SessionManager, ephemeral_issuer};
use tokio::net::TcpListener;

use self::me::Me;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let name = "https://api.example";
    let names = (name.parse().expect("a name"), name.parse().expect("a name"));
    let issuer = ephemeral_issuer(names.0, names.1, Policy::default()).expect("there is entropy");
    let manager = SessionManager::builder(MemoryStore::with_capacity(1000), issuer);
    let manager = manager.build().expect("the settings are in range");

    let subject = Me::anybody().sub.parse().expect("a name");
    let ticket = manager.begin_login(subject).await.expect("it answers");
    let session = NewSession {
        scope: Me::anybody().scope.parse().expect("a scope"),
        ..NewSession::default()
    };
    let issued = manager.login(ticket, session).await.expect("there is room");
    let tokens = issued.tokens().expect("the transport is `header`");
    let header = format!("Authorization: Bearer {}", tokens.access_token.secret());

    let config = AuthConfig::builder(name.parse().expect("an origin")).build();
    let auth = Auth::new(manager, config.expect("the settings are in range"));
    let app = Router::new()
        .route("/api/me", get(answer))
        .layer(adapter_axum::sessions())
        .merge(adapter_axum::routes(&auth))
        .with_state(auth);
    let listener = TcpListener::from_std(me::listen(&header)).expect("it does not block");
    axum::serve(listener, app).await.expect("it serves");
}

async fn answer(caller: Any) -> Json<Me> {
    Json(Me {
        sub: caller.subject().to_string(),
        session_id: caller.session_id().to_string(),
        scope: caller.scope().to_string(),
        auth_time: caller.auth_time().as_secs(),
    })
}
