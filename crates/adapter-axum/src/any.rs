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

/// A caller with an access token or, without one, a session cookie. `C` is the application's own
/// claims. Needs [`sessions`](crate::sessions) around the route; with a cookie, unsafe methods must
/// pass the CSRF rule.
///
/// Dereferences to [`token_http::Any`], which has the methods. An `Option` of it is `None` if there is
/// no credential; one that is not valid is refused all the same.
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
        let caller = caller.ok_or_else(|| Auth::from_ref(state).reject(Refusal::Unauthorized))?;
        Ok(Self(caller))
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
        Ok(find(parts, state).await?.map(Self))
    }
}

async fn find<S, C>(parts: &Parts, state: &S) -> Result<Option<token_http::Any<C>>, Rejection>
where
    S: Sync,
    Auth: FromRef<S>,
    C: DeserializeOwned + Send + Sync + 'static,
{
    let session = async || session(&Auth::from_ref(state), parts).await;
    let caller = Auth::from_ref(state).any(authorization(parts), session);
    Ok(caller.await?)
}
