//! The extractor of server sessions.

use axum::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;
use serde::de::DeserializeOwned;
use token_http::adapter::optional;
use token_http::{Auth, Refusal};

use crate::answer::Rejection;
use crate::head::{auth, head};

token_http::caller! {
    /// A live session that the request's cookie has proven, with the application's private data. `C` is
    /// the application's own claims. Needs [`sessions`](crate::sessions) around the route; unsafe methods
    /// must pass the CSRF rule.
    ///
    /// Dereferences to [`token_http::ServerSession`], which has the methods. An `Option` of it is `None`
    /// if there is no cookie, or if it is bound to the browser and the bound cookie is missing; one that is
    /// not valid is refused all the same. A `Result` of it never refuses.
    ///
    /// ```
    /// # use adapter_axum::{Rejection, ServerSession};
    /// async fn count(session: ServerSession) -> Result<String, Rejection> {
    ///     // `get` and then `set` would lose against a second tab: one of the two would be answered 409.
    ///     let add = |visits: Option<u32>| visits.unwrap_or(0) + 1;
    ///     let visits = session.update("visits", add).await?;
    ///     Ok(format!("visit {visits}"))
    /// }
    /// ```
    ServerSession
}

impl<C, A> Clone for ServerSession<C, A> {
    fn clone(&self) -> Self {
        Self::new(self.0.clone())
    }
}

impl<S, C, A> FromRequestParts<S> for ServerSession<C, A>
where
    S: Send + Sync,
    A: FromRef<S> + Into<Auth>,
    C: DeserializeOwned + Send + Sync + 'static,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let auth = auth::<A, S>(state);
        let session = session(&auth, parts).await?;
        let session = session.ok_or_else(|| auth.reject(Refusal::Unauthorized))?;
        Ok(Self::new(session))
    }
}

impl<S, C, A> OptionalFromRequestParts<S> for ServerSession<C, A>
where
    S: Send + Sync,
    A: FromRef<S> + Into<Auth>,
    C: DeserializeOwned + Send + Sync + 'static,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Rejection> {
        let session = session(&auth::<A, S>(state), parts).await;
        Ok(optional(session)?.map(Self::new))
    }
}

/// The session of a request, kept where [`sessions`](crate::sessions) finds it.
pub(crate) async fn session<C: DeserializeOwned>(
    auth: &Auth,
    parts: &Parts,
) -> Result<Option<token_http::ServerSession<C>>, token_http::Rejection> {
    auth.server_session(&head(parts), parts.extensions.get())
        .await
}
