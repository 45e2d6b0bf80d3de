//! The methods of routes, and the answer to all other requests.

use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::header::HOST;
use axum::http::{StatusCode, Version};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::{self, MethodRouter};
use hallpass::axum::{Auth, Refusal, Rejection};

use crate::state::Shared;

async fn only_get(State(auth): State<Auth>) -> Rejection {
    let allow = "GET, HEAD";
    Rejection::new(&auth, Refusal::MethodNotAllowed { allow })
}

async fn only_post(State(auth): State<Auth>) -> Rejection {
    let allow = "POST";
    Rejection::new(&auth, Refusal::MethodNotAllowed { allow })
}

/// A route for `GET` and `HEAD`; axum leaves the body of the latter out.
pub(crate) fn get<A: 'static>(handler: impl Handler<A, Shared>) -> MethodRouter<Shared> {
    routing::get(handler).fallback(only_get)
}

/// A route for `POST`.
pub(crate) fn post<A: 'static>(handler: impl Handler<A, Shared>) -> MethodRouter<Shared> {
    routing::post(handler).fallback(only_post)
}

/// The answer if there is no such route.
pub(crate) async fn not_found(State(auth): State<Auth>) -> Rejection {
    Rejection::new(&auth, Refusal::NotFound)
}

/// > A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message
/// > that lacks a Host header field and to any request message that contains more than one Host
/// > header field line
///
/// RFC 9112 section 3.2. hyper leaves it to the application.
pub(crate) async fn one_host(request: Request, next: Next) -> Result<Response, StatusCode> {
    let hosts = request.headers().get_all(HOST).iter().count();
    match (request.version(), hosts) {
        (_, 1) => {}
        (version, 0) if version != Version::HTTP_11 => {}
        _ => return Err(StatusCode::BAD_REQUEST),
    }
    Ok(next.run(request).await)
}
