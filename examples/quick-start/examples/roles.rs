//! Roles in a database: in the session from the login on, looked up again at each refresh, and changed at
//! once by a moderator.
//!
//! The table is in memory here. `alice` and `bob` are moderators, and anybody's password is `wonderland`.

use axum::Router;
use axum::extract::{FromRef, Path, State};
use axum::routing::post;
use hallpass::axum::{Answer, Any, Auth, LoginRequest, Rejection, Require, Rule, routes, sessions};
use hallpass::{
    AuthConfig, CustomClaims, HookAnswer, MemoryStore, NewSession, Policy, RefreshHook, Rights,
    Session, SessionManager, Subject, ephemeral_issuer,
};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

/// A table of users and roles. Yours is a database.
#[derive(Clone, Default)]
pub(crate) struct Roles(Arc<Mutex<HashMap<Subject, String>>>);

impl Roles {
    pub(crate) fn set(&self, user: &Subject, role: &str) {
        let mut table = self.0.lock().expect("nobody panics with it");
        table.insert(user.clone(), role.to_owned());
    }

    fn rights(&self, user: &Subject) -> Option<Rights> {
        let table = self.0.lock().expect("nobody panics with it");
        let role = table.get(user)?.clone();
        let scope = if role == "moderator" {
            "posts:write posts:hide"
        } else {
            "posts:write"
        };
        Some(Rights {
            scope: Some(scope.parse().expect("a scope")),
            claims: Some(CustomClaims::new(&Profile { role }).expect("a text is a claim")),
        })
    }
}

#[derive(Deserialize, Serialize)]
pub(crate) struct Profile {
    role: String,
}

/// Asked at each refresh: `manager.on_refresh(roles.clone())` when the manager is built.
impl RefreshHook for Roles {
    fn on_refresh<'a>(
        &'a self,
        session: &'a Session,
    ) -> Pin<Box<dyn Future<Output = HookAnswer> + Send + 'a>> {
        Box::pin(async move {
            match self.rights(&session.subject) {
                Some(rights) => HookAnswer::Change(rights),
                None => HookAnswer::End, // there is no such user any more
            }
        })
    }
}

/// May hide what others have written, by what the session may do now.
pub(crate) enum Moderator {}
impl Rule<Profile> for Moderator {
    const CURRENT: bool = true;

    fn permits(claims: &Profile) -> bool {
        claims.role == "moderator"
    }
}

#[derive(Clone, FromRef)]
pub(crate) struct App {
    pub(crate) auth: Auth,
    pub(crate) roles: Roles,
}

async fn login(State(roles): State<Roles>, login: LoginRequest) -> Result<Answer, Rejection> {
    let ticket = login.begin(login.username()).await?;
    let rights = roles
        .rights(ticket.subject())
        .filter(|_| login.password() == "wonderland");
    let rights = rights.ok_or_else(|| login.invalid_credentials())?;
    let session = NewSession {
        scope: rights.scope.unwrap_or_default(),
        claims: rights.claims.unwrap_or_default(),
        ..login.new_session()
    };
    login.open(ticket, session).await
}

async fn hide_post(_caller: Require<Moderator, Any<Profile>>) {}

/// `POST /users/bob/role/author`, for moderators.
async fn set_role(
    _caller: Require<Moderator, Any<Profile>>,
    State(App { auth, roles }): State<App>,
    Path((user, role)): Path<(Subject, String)>,
) -> Result<String, Rejection> {
    roles.set(&user, &role); // first, so that the hook says the same
    let rights = roles.rights(&user).unwrap_or_default();
    let changed = auth.manager().permit_all(&user, rights).await?;
    Ok(format!("{} sessions changed", changed.len()))
}

pub(crate) fn app(app: App) -> Router {
    Router::new()
        .route("/auth/login", post(login))
        .route("/posts/hide", post(hide_post))
        .route("/users/{user}/role/{role}", post(set_role))
        .merge(routes(&app.auth))
        .layer(sessions())
        .with_state(app)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let origin = "http://127.0.0.1:3000";
    let roles = Roles::default();
    for user in ["alice", "bob"] {
        roles.set(&user.parse()?, "moderator");
    }
    let (issuer, audience) = (origin.parse()?, origin.parse()?);
    let issuer = ephemeral_issuer(issuer, audience, Policy::default())?;
    let store = MemoryStore::with_capacity(1000);
    let manager = SessionManager::builder(store, issuer).on_refresh(roles.clone());
    let config = AuthConfig::builder(origin.parse()?).build()?;
    let auth = Auth::new(manager.build()?, config);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    axum::serve(listener, app(App { auth, roles })).await?;
    Ok(())
}
