//! The extractor of callers in any transport.

use std::ops::Deref;

use axum::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;
use serde::de::DeserializeOwned;
use token_core::NoClaims;
use token_http::{Auth, Refusal};

use crate::answer::Rejection;
use crate::head::authorization;
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
        let caller = find(parts, state).await?;
        caller.ok_or_else(|| Auth::from_ref(state).reject(Refusal::Unauthorized).into())
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
        find(parts, state).await
    }
}

async fn find<S, C>(parts: &Parts, state: &S) -> Result<Option<Any<C>>, Rejection>
where
    S: Sync,
    Auth: FromRef<S>,
    C: DeserializeOwned + Send + Sync + 'static,
{
    let session = async || session(&Auth::from_ref(state), parts).await;
    let caller = Auth::from_ref(state).any(authorization(parts), session);
    Ok(caller.await?.map(Any))
}
