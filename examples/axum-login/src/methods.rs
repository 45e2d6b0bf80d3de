//! Which methods and paths there are, and what all others are told.

use adapter_axum::{Auth, Refusal, Rejection};
use axum::extract::State;
use axum::handler::Handler;
use axum::routing::{self, MethodRouter};

use crate::Shared;

async fn only_get(State(auth): State<Auth>) -> Rejection {
    let allow = "GET, HEAD";
    auth.reject(Refusal::MethodNotAllowed { allow }).into()
}

async fn only_post(State(auth): State<Auth>) -> Rejection {
    let allow = "POST";
    auth.reject(Refusal::MethodNotAllowed { allow }).into()
}

/// Where `GET` is answered; for `HEAD`, axum leaves the body out.
pub(crate) fn get<A: 'static>(handler: impl Handler<A, Shared>) -> MethodRouter<Shared> {
    routing::get(handler).fallback(only_get)
}

/// Where `POST` is answered.
pub(crate) fn post<A: 'static>(handler: impl Handler<A, Shared>) -> MethodRouter<Shared> {
    routing::post(handler).fallback(only_post)
}

/// Where nothing is.
pub(crate) async fn not_found(State(auth): State<Auth>) -> Rejection {
    auth.reject(Refusal::NotFound).into()
}
