//! Answers and rejections as axum sends them.

use std::fmt;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

/// An answer of the library's, to be returned from a handler.
#[derive(Debug)]
pub struct Answer(http::Response<Bytes>);

impl From<http::Response<Bytes>> for Answer {
    fn from(response: http::Response<Bytes>) -> Self {
        Self(response)
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        self.0.map(Body::from)
    }
}

/// An answer that is not a success. Every error of the library becomes one with `?`.
#[derive(Clone, Debug)]
pub struct Rejection(token_http::Rejection);

impl<E: Into<token_http::Rejection>> From<E> for Rejection {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Rejection {}

impl Rejection {
    /// Why.
    pub const fn refusal(&self) -> &token_http::Refusal {
        self.0.refusal()
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        self.0.response().map(Body::from)
    }
}
