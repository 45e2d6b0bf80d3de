//! The extractor [`Access`]. What it and `Any` ask is `Auth` in `token-http`.

use axum::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;
use serde::de::DeserializeOwned;
use token_http::{Auth, Refusal};

use crate::answer::Rejection;
use crate::head::{auth, authorization, shown};

token_http::caller! {
    /// A caller with a valid access token in `Authorization: Bearer`, or in
    /// `Authorization: DPoP` with a proof of its key. `C` is the application's own
    /// claims. Cookies are ignored.
    ///
    /// Dereferences to [`token_http::Access`], which has the methods. An `Option` of it is `None` if there
    /// is no token; one that is not valid is refused all the same.
    Access
}

impl<S, C, A> FromRequestParts<S> for Access<C, A>
where
    S: Send + Sync,
    A: FromRef<S> + Into<Auth>,
    C: DeserializeOwned + Send + Sync + 'static,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let access = auth::<A, S>(state)
            .access(authorization(parts), || shown(parts))
            .await?;
        let access = access.ok_or_else(|| auth::<A, S>(state).reject(Refusal::Unauthorized))?;
        Ok(Self::new(access))
    }
}

impl<S, C, A> OptionalFromRequestParts<S> for Access<C, A>
where
    S: Send + Sync,
    A: FromRef<S> + Into<Auth>,
    C: DeserializeOwned + Send + Sync + 'static,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Rejection> {
        let access = auth::<A, S>(state)
            .access(authorization(parts), || shown(parts))
            .await?;
        Ok(access.map(Self::new))
    }
}
