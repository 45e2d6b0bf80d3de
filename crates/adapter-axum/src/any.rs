//! The extractor of callers in any transport.

use std::ops::Deref;

use axum::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use http::HeaderValue;
use http::header::AUTHORIZATION;
use http::request::Parts;
use serde::de::DeserializeOwned;
use token_core::NoClaims;
use token_http::{Auth, Refusal};

use crate::answer::Rejection;
use crate::session::session;

/// A caller with whichever credential the request carries: an access token, or without one a
/// session cookie. Needs [`sessions`](crate::sessions) around the route; with a cookie, unsafe
/// methods must pass the CSRF rule.
///
/// As an `Option` it is `None` where there is no credential; one that does not hold is refused
/// all the same.
#[derive(Debug)]
pub struct Any<C = NoClaims>(token_http::Any<C>);

impl<C> Deref for Any<C> {
    type Target = token_http::Any<C>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<S, C> FromRequestParts<S> for Any<C>
where
    S: Send + Sync,
    Auth: FromRef<S>,
    C: DeserializeOwned + Send + Sync + 'static,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let auth = Auth::from_ref(state);
        let caller = find(&auth, parts).await?;
        caller.ok_or_else(|| auth.reject(Refusal::Unauthorized).into())
    }
}

impl<S, C> OptionalFromRequestParts<S> for Any<C>
where
    S: Send + Sync,
    Auth: FromRef<S>,
    C: DeserializeOwned + Send + Sync + 'static,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Rejection> {
        find(&Auth::from_ref(state), parts).await
    }
}

async fn find<C>(auth: &Auth, parts: &Parts) -> Result<Option<Any<C>>, Rejection>
where
    C: DeserializeOwned + Send + Sync + 'static,
{
    let authorization = parts.headers.get_all(AUTHORIZATION).iter();
    let authorization = authorization.map(HeaderValue::as_bytes);
    let caller = auth.any(authorization, session(auth, parts)).await?;
    Ok(caller.map(Any))
}
