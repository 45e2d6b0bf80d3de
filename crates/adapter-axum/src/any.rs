//! The extractor of callers in any transport.

use axum::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;
use serde::de::DeserializeOwned;
use token_http::adapter::optional;
use token_http::{Auth, Refusal};

use crate::answer::Rejection;
use crate::head::{auth, authorization, shown};
use crate::session::session;

token_http::caller! {
    /// A caller with an access token or, without one, a session cookie. `C` is the application's own
    /// claims. Needs [`sessions`](crate::sessions) around the route; with a cookie, unsafe methods must
    /// pass the CSRF rule.
    ///
    /// Dereferences to [`token_http::Any`], which has the methods. An `Option` of it is `None` if there is
    /// no credential, or a session cookie that is bound to the browser without its bound cookie; one that is
    /// not valid is refused all the same.
    Any
}

impl<S, C, A> FromRequestParts<S> for Any<C, A>
where
    S: Send + Sync,
    A: FromRef<S> + Into<Auth>,
    C: DeserializeOwned + Send + Sync + 'static,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let caller = find::<A, S, C>(parts, state).await?;
        let caller = caller.ok_or_else(|| auth::<A, S>(state).reject(Refusal::Unauthorized))?;
        Ok(Self::new(caller))
    }
}

impl<S, C, A> OptionalFromRequestParts<S> for Any<C, A>
where
    S: Send + Sync,
    A: FromRef<S> + Into<Auth>,
    C: DeserializeOwned + Send + Sync + 'static,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Rejection> {
        let caller = find::<A, S, C>(parts, state).await;
        Ok(optional(caller)?.map(Self::new))
    }
}

async fn find<A, S, C>(
    parts: &Parts,
    state: &S,
) -> Result<Option<token_http::Any<C>>, token_http::Rejection>
where
    S: Sync,
    A: FromRef<S> + Into<Auth>,
    C: DeserializeOwned + Send + Sync + 'static,
{
    let session = async || session(&auth::<A, S>(state), parts).await;
    let caller = auth::<A, S>(state).any(authorization(parts), || shown(parts), session);
    caller.await
}
