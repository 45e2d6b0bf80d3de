//! Answers and rejections as actix sends them.

use std::fmt;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, Responder, ResponseError};
use bytes::Bytes;

/// A finished answer: return it from a handler.
pub struct Answer(http::Response<Bytes>);

impl fmt::Debug for Answer {
    /// The fields and the body may be credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Answer").field(&self.0.status()).finish()
    }
}

impl From<http::Response<Bytes>> for Answer {
    fn from(response: http::Response<Bytes>) -> Self {
        Self(response)
    }
}

impl Answer {
    /// The response, for a handler that returns this or another one.
    pub fn into_response(self) -> HttpResponse {
        let mut response = translate(self.0);
        response.extensions_mut().insert(token_http::Effect);
        response
    }
}

impl Responder for Answer {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.into_response()
    }
}

/// The answer to a request that was refused, or that could not be served. The errors of a session, a
/// login, a password and the manager become one with `?`, and it is an answer itself ([`ResponseError`]).
///
/// It is no [`std::error::Error`], so that an application's error that takes every error, such as one
/// with `impl<E: Into<anyhow::Error>> From<E>`, does not take this one too and answer a wrong password
/// with 500. The other errors of the library are: such a type takes them, and answers 500 if the store
/// cannot be asked, which should be 503. Convert them yourself (`error.into()` gives a `Rejection`), or give
/// your error a variant for rejections with [`from_errors!`](crate::from_errors).
///
/// ```compile_fail,E0277
/// # use adapter_actix::Rejection;
/// fn hidden(rejection: Rejection) -> Box<dyn std::error::Error> {
///     rejection.into()
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Rejection(pub(crate) token_http::Rejection);

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

impl Rejection {
    /// Refuses a request in a handler of your own, with the challenge that goes with the refusal.
    pub fn new(auth: &token_http::Auth, refusal: token_http::Refusal) -> Self {
        Self(auth.reject(refusal))
    }

    /// Refuses a request to a protected resource, with the challenge of this realm: for services
    /// that verify tokens without an [`Auth`](token_http::Auth), which has the realm itself.
    pub fn at_resource(refusal: token_http::Refusal, realm: &str) -> Self {
        Self(token_http::Rejection::at_resource(refusal, realm))
    }

    /// Why the request was refused.
    pub const fn refusal(&self) -> &token_http::Refusal {
        self.0.refusal()
    }

    /// The response, for a handler that returns this or another one.
    pub fn into_response(self) -> HttpResponse {
        translate(self.0.response())
    }
}

impl Responder for Rejection {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.into_response()
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
        // actix writes this field itself.
        if name == http::header::CONNECTION {
            builder.force_close();
        } else {
            builder.append_header((name.as_str(), value.as_bytes()));
        }
    }
    builder.body(body)
}

fn status(status: http::StatusCode) -> StatusCode {
    StatusCode::from_u16(status.as_u16()).expect("both have the same range")
}
