//! Routes for operators.

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use example_support::{LOSE_ANSWER, Metrics, log};
use hallpass::KeyAdmin;
use hallpass::axum::{Answer, Auth, Refusal, Rejection};

/// Changes keys, if there is an administrator and the request has the administrator's key.
pub(crate) async fn keys(
    State(auth): State<Auth>,
    State(admin): State<Option<KeyAdmin>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Answer, Rejection> {
    let admin = admin.ok_or_else(|| Rejection::new(&auth, Refusal::NotFound))?;
    let authorization = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
    Ok(Answer::from(admin.answer(authorization, &body).await))
}

pub(crate) async fn healthz(State(auth): State<Auth>) -> Answer {
    Answer::from(auth.health())
}

pub(crate) async fn metrics(State(metrics): State<Metrics>) -> Answer {
    Answer::from(metrics.answer())
}

/// Loses the answer if the page asks for that: the request has had its effects, and nobody hears of it.
pub(crate) async fn lose_answer(request: Request, next: Next) -> Response {
    let lost = request.headers().contains_key(LOSE_ANSWER);
    let response = next.run(request).await;
    if lost {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    response
}

/// Logs each request.
pub(crate) async fn log_request(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    log::request(method.as_str(), &path, response.status().as_u16());
    response
}
