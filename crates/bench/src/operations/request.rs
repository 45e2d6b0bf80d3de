//! A request through a router, without a socket: the cost of a layer and an extractor.

use std::convert::Infallible;
use std::hint::black_box;
use std::sync::LazyLock;

use adapter_axum::{Any, Auth, AuthConfig, Caller};
use axum::body::Body;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderValue, Request, StatusCode};
use axum::response::Response;
use axum::{Json, Router, routing::get};
use serde::{Deserialize, Serialize};
use token_core::{Algorithm, Scope, SessionId, Subject, UnixTime};
use tower_layer::{Identity, Layer as _};
use tower_service::Service;

use super::manager::{access_token, at_once, login, manager, runtime};
use crate::operation::{OURS, Operation, Pool, Way, cycle};
use crate::world::Key;

/// The answer of every server.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "made here alone")]
pub struct Me {
    /// The subject.
    pub sub: String,
    /// The session.
    pub session_id: String,
    /// Its scope.
    pub scope: String,
    /// The time of the login, in seconds since 1970.
    pub auth_time: u64,
}

impl Me {
    /// The answer of a server without a check.
    #[must_use]
    pub fn anybody() -> Self {
        Self {
            sub: "user-00000001".to_owned(),
            session_id: "AAAAAAAAAAAAAAAAAAAAAAAA".to_owned(),
            scope: "notes:read notes:write".to_owned(),
            auth_time: 1_700_000_000,
        }
    }

    /// The answer from the claims of a caller.
    pub fn of(caller: &impl Caller) -> Self {
        Self {
            sub: caller.subject().as_str().to_owned(),
            session_id: caller.session_id().to_string(),
            scope: caller.scope().as_str().to_owned(),
            auth_time: caller.auth_time().as_secs(),
        }
    }
}

/// A caller that was not checked: what a handler gets if the check is removed.
#[derive(Debug)]
pub struct Unchecked {
    subject: Subject,
    session_id: SessionId,
    scope: Scope,
    auth_time: UnixTime,
}

/// The only caller without a check.
pub static UNCHECKED: LazyLock<Unchecked> = LazyLock::new(|| {
    let Me {
        sub,
        session_id,
        scope,
        auth_time,
    } = Me::anybody();
    Unchecked {
        subject: sub.parse().expect("a name"),
        session_id: session_id.parse().expect("an id"),
        scope: scope.parse().expect("a scope"),
        auth_time: UnixTime::from_secs(auth_time).expect("a time"),
    }
});

impl Caller for Unchecked {
    fn subject(&self) -> &Subject {
        &self.subject
    }

    fn session_id(&self) -> SessionId {
        self.session_id
    }

    fn scope(&self) -> &Scope {
        &self.scope
    }

    fn auth_time(&self) -> UnixTime {
        self.auth_time
    }

    fn acr(&self) -> Option<&str> {
        None
    }

    fn amr(&self) -> &[Box<str>] {
        &[]
    }
}

/// Without a check.
pub fn bare() -> Router {
    Router::new().route("/api/me", get(async || Json(Me::anybody())))
}

/// Behind this library.
pub fn ours(auth: Auth) -> Router {
    let me = async |caller: Any| Json(Me::of(&*caller));
    Router::new()
        .route("/api/me", get(me))
        .layer(adapter_axum::sessions())
        .with_state(auth)
}

/// The same with the check removed: layer, state and answer stay.
pub fn unchecked(auth: Auth) -> Router {
    let me = async || Json(Me::of(&*UNCHECKED));
    Router::new()
        .route("/api/me", get(me))
        .layer(adapter_axum::sessions())
        .with_state(auth)
}

/// What the adapters need.
///
/// # Panics
/// Never: the settings are within their ranges.
pub fn auth(manager: token_session::SessionManager) -> Auth {
    let origin = "https://api.example".parse().expect("an origin");
    let config = AuthConfig::builder(origin).build();
    Auth::new(manager, config.expect("the settings are in range"))
}

/// On axum, with Ed25519, tokens seen before.
///
/// # Panics
/// If a token is refused.
pub fn axum(Pool(count): Pool) -> Operation {
    let (manager, _) = manager(&Key::new(Algorithm::EdDSA), 100_000);
    let credentials = runtime().block_on(async {
        manager.catch_up().await.expect("the store answers");
        let mut credentials = Vec::new();
        for number in 0..count {
            let token = access_token(&login(&manager, number).await);
            let credential = HeaderValue::try_from(format!("Bearer {token}"));
            credentials.push(credential.expect("a token is ASCII"));
        }
        credentials
    });
    let auth = auth(manager);
    let ours = asking(ours(auth.clone()), credentials.clone());
    let unchecked = asking(unchecked(auth), credentials.clone());
    Operation {
        name: "request through axum, EdDSA, token seen before".to_owned(),
        ways: vec![
            Way::new(OURS, ours),
            Way::new("no check", asking(bare(), credentials)),
            Way::new("check removed", unchecked),
        ],
        goals: Vec::new(),
    }
}

fn asking(mut router: Router, credentials: Vec<HeaderValue>) -> impl FnMut() {
    let runtime = runtime();
    cycle(credentials, move |credential| {
        let _inside = runtime.enter();
        let request = Request::builder().uri("/api/me");
        let request = request.header(AUTHORIZATION, credential.clone());
        let request = request.body(Body::empty()).expect("a request");
        let response = at_once(router.call(request)).expect("a router never fails");
        assert_eq!(response.status(), StatusCode::OK);
        black_box(response);
    })
}

/// On axum, a request without a cookie to a route that looks at none: what the layers cost all others. Any
/// `Router::layer` costs an allocation and a virtual call in axum, so ours are compared with one that does nothing.
/// Around the whole router that cost is not there, and they are compared with the router alone.
pub fn nobody(_: Pool) -> Operation {
    let ours = (adapter_axum::sessions(), adapter_axum::visitors());
    let apart = bare()
        .layer(adapter_axum::sessions())
        .layer(adapter_axum::visitors());
    Operation {
        name: "request without a cookie through the layers of axum".to_owned(),
        ways: vec![
            Way::new(OURS, passing(bare().layer(ours))),
            Way::new("idle layer", passing(bare().layer(Identity::new()))),
            Way::new("request alone", || {
                black_box(request_of_nobody());
            }),
            Way::new("two layers", passing(apart)),
            Way::new("no layer", passing(bare())),
            Way::new("around the router", passing(ours.layer(bare()))),
        ],
        goals: Vec::new(),
    }
}

fn passing<S>(mut router: S) -> impl FnMut()
where
    S: Service<Request<Body>, Response = Response, Error = Infallible>,
{
    let runtime = runtime();
    move || {
        let _inside = runtime.enter();
        let response = at_once(router.call(request_of_nobody())).expect("a router never fails");
        assert_eq!(response.status(), StatusCode::OK);
        black_box(response);
    }
}

fn request_of_nobody() -> Request<Body> {
    let request = Request::builder().uri("/api/me");
    request.body(Body::empty()).expect("a request")
}
