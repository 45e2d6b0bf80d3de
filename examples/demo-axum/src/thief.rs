//! What the page asks about its key, and the thief that it sets to work. Only demos have such routes.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use example_support::Thief;
use hallpass::axum::{Answer, Any, Auth};

use crate::methods::{get, post};
use crate::state::Shared;

async fn look(
    State(auth): State<Auth>,
    State(thief): State<Thief>,
    caller: Any,
    headers: HeaderMap,
) -> Answer {
    let cookies = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes);
    Answer::from(thief.look(&auth, caller.session_id(), cookies).await)
}

async fn act(
    State(auth): State<Auth>,
    State(thief): State<Thief>,
    caller: Any,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let cookies = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes);
    let by_cookie = matches!(*caller, hallpass::http::Any::Session(_));
    let answer = thief.act(&auth, caller.session_id(), by_cookie, cookies, &body);
    Answer::from(answer.await)
}

/// The routes, if there is a thief.
pub(crate) fn routes(thief: &Thief) -> Router<Shared> {
    if !thief.is_on() {
        return Router::new();
    }
    Router::new()
        .route("/demo/device", get(look))
        .route("/demo/thief", post(act))
}
