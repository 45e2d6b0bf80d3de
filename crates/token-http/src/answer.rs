//! The parts that answers are made of.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, PRAGMA};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

/// A JSON answer that no cache may keep.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response<Bytes> {
    let body = serde_json::to_vec(body).expect("texts and numbers are JSON");
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    private(response)
}

/// An answer without a body that no cache may keep.
pub(crate) fn empty(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    private(response)
}

/// An answer that anyone may keep for `max_age` seconds.
pub(crate) fn public(
    content_type: &'static str,
    body: impl Into<Bytes>,
    max_age: u64,
) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    let cache = HeaderValue::try_from(format!("public, max-age={max_age}"));
    headers.insert(CACHE_CONTROL, cache.expect("a number is a field value"));
    response
}

/// > The authorization server MUST include the HTTP "Cache-Control" response header field [...]
/// > with a value of "no-store" in any response containing tokens, credentials, or other sensitive
/// > information, as well as the "Pragma" response header field [...] with a value of "no-cache".
///
/// [RFC 6749 section 5.1](https://www.rfc-editor.org/rfc/rfc6749#section-5.1).
/// Every answer has both, except the public ones.
fn private(mut response: Response<Bytes>) -> Response<Bytes> {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
