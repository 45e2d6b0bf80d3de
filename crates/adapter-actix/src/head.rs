//! A request as `token-http` sees it.

use std::net::IpAddr;

use actix_web::http::header;
use actix_web::{FromRequest as _, HttpRequest, dev, web};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use token_http::{Auth, BodyError, Head, Rejection, Shown};

/// The parts of a request that `token-http` reads, in its types: actix has those of `http` 0.2.
pub(crate) struct OwnedHead {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    peer: Option<IpAddr>,
}

impl OwnedHead {
    pub(crate) fn of(request: &HttpRequest) -> Self {
        let mut headers = HeaderMap::new();
        for name in Head::FIELDS {
            for value in request.headers().get_all(name) {
                if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                    headers.append(HeaderName::from_static(name), value);
                }
            }
        }
        let target = request.uri().path_and_query();
        let target = target.map(|target| target.as_str().parse());
        let method = Method::from_bytes(request.method().as_str().as_bytes());
        Self {
            method: method.expect("both have the same grammar"),
            uri: target.and_then(Result::ok).unwrap_or_default(),
            headers,
            peer: request.peer_addr().map(|address| address.ip()),
        }
    }

    pub(crate) const fn borrow(&self) -> Head<'_> {
        Head {
            method: &self.method,
            uri: &self.uri,
            headers: &self.headers,
            peer: self.peer,
        }
    }
}

/// The values of the `Authorization` field.
pub(crate) fn authorization(request: &HttpRequest) -> impl Iterator<Item = &[u8]> {
    let values = request.headers().get_all(header::AUTHORIZATION);
    values.map(header::HeaderValue::as_bytes)
}

/// What proves the key of a token that is bound to one.
pub(crate) fn shown(request: &HttpRequest) -> Shown<'_> {
    let proofs = request.headers().get_all("dpop");
    let proofs = proofs.map(header::HeaderValue::as_bytes);
    Shown::new(request.method().as_str(), request.uri().path(), proofs)
}

/// Reads a body to its end, up to the longest that is allowed and as long as one may take.
pub(crate) async fn read(
    auth: &Auth,
    request: &HttpRequest,
    payload: &mut dev::Payload,
    longest: usize,
) -> Result<Bytes, Rejection> {
    auth.read_body(longest, read_body(request, payload, longest))
        .await
}

async fn read_body(
    request: &HttpRequest,
    payload: &mut dev::Payload,
    longest: usize,
) -> Result<Bytes, BodyError> {
    let payload = web::Payload::from_request(request, payload).await;
    let payload = payload.map_err(|_| BodyError::Interrupted)?;
    match payload.to_bytes_limited(longest).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err(BodyError::Interrupted),
        Err(_) => Err(BodyError::TooLong),
    }
}
