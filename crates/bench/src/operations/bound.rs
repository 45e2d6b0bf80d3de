//! Requests of sessions that are bound to their browser, through a router.

use std::hint::black_box;

use adapter_axum::{Auth, AuthConfig};
use aws_lc_rs::hmac;
use axum::Router;
use axum::body::Body;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderValue, Request, StatusCode};
use axum::response::Response;
use token_core::session::Credentials;
use token_core::{Algorithm, Subject, Transport};
use token_session::binding::{BindingMode, BindingPolicy};
use token_session::test_util::TestClock;
use token_session::{
    BindingError, Issued, MemoryStore, NewSession, RevocationCheck, SessionManager, WhenBehind,
};
use tower_service::Service as _;

use super::client_key::ClientKey;
use super::manager::{LONGEST_HEARTBEAT, at_once, runtime};
use super::request::ours;
use crate::operation::{Goal, OURS, Operation, Pool, Way, cycle};
use crate::world::{self, Key};

pub(super) const ORIGIN: &str = "https://api.example";
pub(super) const PATH: &str = "/api/me";

pub(super) fn manager(key: &Key, policy: BindingPolicy) -> SessionManager {
    let issuer = world::issuer(key);
    let manager = SessionManager::builder(MemoryStore::new(100_000, &[7; 32]), issuer)
        .clock(TestClock::new())
        .revocation_check(RevocationCheck::Feed(WhenBehind::Refuse))
        .heartbeat(LONGEST_HEARTBEAT)
        .binding(policy)
        .build();
    manager.expect("the settings are in range")
}

/// Call it when everything is made: a view that is older than two and a half heartbeats refuses all.
pub(super) async fn caught_up(manager: &SessionManager) {
    manager.catch_up().await.expect("the store answers");
}

pub(super) async fn login(manager: &SessionManager, number: u64, new: NewSession) -> Issued {
    let subject = Subject::new(format!("user-{number:08}")).expect("a name");
    let ticket = manager.begin_login(subject).await;
    let issued = manager.login(ticket.expect("the store answers"), new);
    issued.await.expect("there is room")
}

/// A request with the cookie of a session that is bound to its browser, under `Require`.
///
/// # Panics
/// If a cookie is refused.
pub fn cookie(Pool(count): Pool) -> Operation {
    let manager = manager(
        &Key::new(Algorithm::EdDSA),
        BindingPolicy::new(BindingMode::Require),
    );
    let config = AuthConfig::builder(ORIGIN.parse().expect("an origin")).build();
    let auth = Auth::new(manager.clone(), config.expect("the settings are in range"));
    let mut routes = Router::new().merge(adapter_axum::routes(&auth));
    let (mut bound, mut unbound) = (Vec::new(), Vec::new());
    runtime().block_on(async {
        for number in 0..count {
            let new = NewSession {
                transport: Some(Transport::Session),
                ..NewSession::default()
            };
            let issued = login(&manager, number, new).await;
            let Credentials::Session(token) = issued.credentials() else {
                unreachable!("the transport is `session`");
            };
            let own = format!("__Host-Http-session={}", *token.to_secret_text());
            if number % 2 == 0 {
                unbound.push(header(&own));
            } else {
                let beside = bind(&manager, &mut routes, &issued).await;
                bound.push(header(&format!("{own}; {beside}")));
            }
        }
        caught_up(&manager).await;
    });
    let key = hmac::Key::new(hmac::HMAC_SHA256, &world::SECRET);
    let mut hashed = asking(&auth, unbound.clone());
    let two_more = move || {
        hashed();
        for message in [[1_u8; 48], [2; 48]] {
            black_box(hmac::sign(&key, &message));
        }
    };
    let limit = "unbound, and two HMACs";
    Operation {
        name: "request with a bound session cookie".to_owned(),
        ways: vec![
            Way::new(OURS, asking(&auth, bound)),
            Way::new("unbound", asking(&auth, unbound)),
            Way::new(limit, two_more),
        ],
        goals: vec![Goal::Times(limit, 1.0)],
    }
}

/// Registers a key and uses it once, as a browser does, and gives the cookie that comes of it.
async fn bind(manager: &SessionManager, routes: &mut Router, issued: &Issued) -> String {
    let browser = ClientKey::new();
    let offered = manager.offer_binding(issued.session());
    let offer = offered.expect("the session can be bound").offer;
    let (challenge, authorization) = (&offer.challenge, offer.authorization.secret());
    let registration = browser.sign(
        &format!(
            r#"{{"alg":"ES256","jwk":{},"typ":"dbsc+jwt"}}"#,
            browser.jwk
        ),
        &format!(r#"{{"authorization":"{authorization}","jti":"{challenge}"}}"#),
    );
    let registered = manager.register_browser(&registration).await;
    let id = registered.expect("the proof is right").session.id;
    let Err(BindingError::Challenge(challenge)) = manager.renew_browser(id, None).await else {
        unreachable!("there is no proof yet");
    };
    let proof = browser.sign(
        r#"{"alg":"ES256","typ":"dbsc+jwt"}"#,
        &format!(r#"{{"jti":"{challenge}"}}"#),
    );
    let request = Request::post("/auth/device")
        .header("sec-secure-session-id", id.to_string())
        .header("secure-session-response", proof)
        .body(Body::empty());
    let response = routes.call(request.expect("a request")).await;
    let response = response.unwrap_or_else(|never| match never {});
    let field = response.headers().get(SET_COOKIE);
    let field = field.and_then(|field| field.to_str().ok());
    let (pair, _) = field
        .and_then(|field| field.split_once(';'))
        .expect("the answer sets the bound cookie");
    pair.to_owned()
}

/// A value of which a copy takes no allocation: the first copy of any does.
pub(super) fn header(text: &str) -> HeaderValue {
    let value = HeaderValue::try_from(text).expect("tokens, proofs and cookies are ASCII");
    drop(value.clone());
    value
}

fn asking(auth: &Auth, cookies: Vec<HeaderValue>) -> impl FnMut() + use<> {
    let (mut router, inside) = (ours(auth.clone()), runtime());
    cycle(cookies, move |cookie| {
        let _inside = inside.enter();
        let request = Request::builder().uri(PATH).header(COOKIE, cookie.clone());
        ask(&mut router, request.body(Body::empty()).expect("a request"));
    })
}

pub(super) fn ask(router: &mut Router, request: Request<Body>) {
    let response: Response = at_once(router.call(request)).unwrap_or_else(|never| match never {});
    assert_eq!(response.status(), StatusCode::OK);
    black_box(response);
}
