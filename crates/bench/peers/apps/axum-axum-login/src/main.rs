//! `/api/me` on axum, behind axum-login on tower-sessions with its memory store.

#[path = "../../me.rs"]
mod me;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::{Json, Router, routing::get, routing::post};
use axum_login::{AuthManagerLayerBuilder, AuthUser, AuthnBackend, UserId, login_required};
use time::Duration;
use tokio::net::TcpListener;
use tower_sessions_014::{Expiry, MemoryStore, SessionManagerLayer};

use self::me::Me;

type AuthSession = axum_login::AuthSession<Users>;

/// A user, with what ends their sessions when it changes.
#[derive(Clone, Debug)]
struct User {
    me: Me,
    password_hash: Vec<u8>,
}

impl AuthUser for User {
    type Id = String;

    fn id(&self) -> String {
        self.me.sub.clone()
    }

    fn session_auth_hash(&self) -> &[u8] {
        &self.password_hash
    }
}

/// The users, in memory: whatever a database would take comes on top.
#[derive(Clone, Debug)]
struct Users(Arc<HashMap<String, User>>);

impl AuthnBackend for Users {
    type User = User;
    type Credentials = String;
    type Error = Infallible;

    async fn authenticate(&self, name: String) -> Result<Option<User>, Infallible> {
        Ok(self.0.get(&name).cloned())
    }

    async fn get_user(&self, id: &UserId<Self>) -> Result<Option<User>, Infallible> {
        Ok(self.0.get(id).cloned())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let user = User {
        me: Me::anybody(),
        // As long as argon2's, in its usual form.
        password_hash: vec![b'x'; 97],
    };
    let users = Users(Arc::new(HashMap::from([(user.id(), user)])));
    let sessions = SessionManagerLayer::new(MemoryStore::default())
        .with_expiry(Expiry::OnInactivity(Duration::days(1)));
    let auth = AuthManagerLayerBuilder::new(users, sessions).build();
    let app = Router::new()
        .route("/api/me", get(answer))
        .route_layer(login_required!(Users))
        .route("/login", post(login))
        .layer(auth);
    let listener = TcpListener::from_std(me::listen("login")).expect("it does not block");
    axum::serve(listener, app).await.expect("it serves");
}

async fn login(mut session: AuthSession) -> StatusCode {
    let Ok(Some(user)) = session.authenticate(Me::anybody().sub).await else {
        return StatusCode::UNAUTHORIZED;
    };
    let done = session.login(&user).await;
    done.map_or(StatusCode::INTERNAL_SERVER_ERROR, |()| {
        StatusCode::NO_CONTENT
    })
}

async fn answer(session: AuthSession) -> Result<Json<Me>, StatusCode> {
    let user = session.user.ok_or(StatusCode::UNAUTHORIZED)?;
    Ok(Json(user.me))
}
