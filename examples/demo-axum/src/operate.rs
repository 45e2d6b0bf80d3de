//! Routes for operators.

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use example_support::{KeyAdmin, Metrics, health, log};
use hallpass::axum::{Answer, Auth};

/// Changes keys, if the request has the administrator's key.
pub(crate) async fn keys(State(admin): State<KeyAdmin>, headers: HeaderMap, body: Bytes) -> Answer {
    let authorization = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
    Answer::from(admin.act(authorization, &body).await)
}

pub(crate) async fn healthz(State(auth): State<Auth>) -> Answer {
    Answer::from(health(auth.manager()))
}

pub(crate) async fn metrics(State(metrics): State<Metrics>) -> Answer {
    Answer::from(metrics.answer())
}

/// Logs each request.
pub(crate) async fn log_request(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    log::request(method.as_str(), &path, response.status().as_u16());
    response
}
