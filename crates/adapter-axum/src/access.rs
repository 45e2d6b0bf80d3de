//! The extractor of access tokens.

use std::ops::Deref;

use axum::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;
use serde::de::DeserializeOwned;
use token_core::NoClaims;
use token_http::{Auth, Refusal};

use crate::answer::Rejection;
use crate::head::authorization;

/// A caller with a valid access token in `Authorization: Bearer`. `C` is the application's own
/// claims. Cookies are ignored.
///
/// Dereferences to [`token_http::Access`], which has the methods. An `Option` of it is `None` if there
/// is no token; one that is not valid is refused all the same.
#[derive(Debug)]
pub struct Access<C = NoClaims>(token_http::Access<C>);

impl<C> Deref for Access<C> {
    type Target = token_http::Access<C>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<S, C> FromRequestParts<S> for Access<C>
where
    S: Send + Sync,
    Auth: FromRef<S>,
    C: DeserializeOwned + Send + Sync + 'static,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let access = Auth::from_ref(state).access(authorization(parts)).await?;
        let access = access.ok_or_else(|| Auth::from_ref(state).reject(Refusal::Unauthorized))?;
        Ok(Self(access))
    }
}

impl<S, C> OptionalFromRequestParts<S> for Access<C>
where
    S: Send + Sync,
    Auth: FromRef<S>,
    C: DeserializeOwned + Send + Sync + 'static,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Rejection> {
        let access = Auth::from_ref(state).access(authorization(parts)).await?;
        Ok(access.map(Self))
    }
}
