//! A request as `token-http` sees it.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::{ConnectInfo, FromRef, OriginalUri, Request};
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Uri};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use token_http::{Auth, BodyError, Head, Rejection, Shown};

pub(crate) fn head(parts: &Parts) -> Head<'_> {
    // Known if the router is served with `into_make_service_with_connect_info`.
    let connection = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    Head {
        method: &parts.method,
        uri: uri(parts),
        headers: &parts.headers,
        peer: connection.map(|ConnectInfo(address)| address.ip()),
    }
}

/// As the client sent it: `Router::nest` takes the beginning off `parts.uri`.
fn uri(parts: &Parts) -> &Uri {
    let original = parts.extensions.get::<OriginalUri>();
    original.map_or(&parts.uri, |OriginalUri(uri)| uri)
}

/// The [`Auth`] that the state has under the type `A`.
pub(crate) fn auth<A: FromRef<S> + Into<Auth>, S>(state: &S) -> Auth {
    A::from_ref(state).into()
}

/// The values of the `Authorization` field.
pub(crate) fn authorization(parts: &Parts) -> impl Iterator<Item = &[u8]> {
    let values = parts.headers.get_all(AUTHORIZATION).iter();
    values.map(HeaderValue::as_bytes)
}

/// What proves the key of a token that is bound to one.
pub(crate) fn shown(parts: &Parts) -> Shown<'_> {
    let proofs = parts.headers.get_all(DPOP).iter();
    let proofs = proofs.map(HeaderValue::as_bytes);
    Shown::new(parts.method.as_str(), uri(parts).path(), proofs)
}

const DPOP: HeaderName = HeaderName::from_static("dpop");

/// Reads a request to its end, up to the longest body that is allowed and as long as one may take.
pub(crate) async fn read(
    auth: &Auth,
    request: Request,
    longest: impl FnOnce(&Head<'_>) -> usize,
) -> (Parts, Result<Bytes, Rejection>) {
    let (parts, body) = request.into_parts();
    let longest = longest(&head(&parts));
    (
        parts,
        auth.read_body(longest, read_body(body, longest)).await,
    )
}

async fn read_body(body: Body, longest: usize) -> Result<Bytes, BodyError> {
    match Limited::new(body, longest).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyError::TooLong),
        Err(_) => Err(BodyError::Interrupted),
    }
}
