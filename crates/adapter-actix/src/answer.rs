//! Answers and rejections as actix sends them.

use std::fmt;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, Responder, ResponseError};
use bytes::Bytes;

/// An answer of the library's, to be returned from a handler.
#[derive(Debug)]
pub struct Answer(http::Response<Bytes>);

impl From<http::Response<Bytes>> for Answer {
    fn from(response: http::Response<Bytes>) -> Self {
        Self(response)
    }
}

impl Responder for Answer {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        translate(self.0)
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

impl Responder for Rejection {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        translate(self.0.response())
    }
}

impl ResponseError for Rejection {
    fn status_code(&self) -> StatusCode {
        status(self.0.refusal().status())
    }

    fn error_response(&self) -> HttpResponse {
        translate(self.0.response())
    }
}

/// actix has the types of `http` 0.2.
fn translate(response: http::Response<Bytes>) -> HttpResponse {
    let (parts, body) = response.into_parts();
    let mut builder = HttpResponse::build(status(parts.status));
    for (name, value) in &parts.headers {
        builder.append_header((name.as_str(), value.as_bytes()));
    }
    builder.body(body)
}

fn status(status: http::StatusCode) -> StatusCode {
    StatusCode::from_u16(status.as_u16()).expect("both have the same range")
}
