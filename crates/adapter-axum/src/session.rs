//! The extractor of server sessions.

use std::ops::Deref;

use axum::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;
use token_http::{Auth, Refusal};

use crate::answer::Rejection;
use crate::head::head;

/// A live session that the request's cookie has proven, with the application's private data.
/// Needs [`sessions`](crate::sessions) around the route; unsafe methods must pass the CSRF rule.
///
/// As an `Option` it is `None` where there is no cookie; one that does not hold is refused all
/// the same. As a `Result` it never refuses.
///
/// ```
/// # use adapter_axum::{Rejection, ServerSession};
/// async fn count(session: ServerSession) -> Result<String, Rejection> {
///     let visits = session.get::<u32>("visits").await?.unwrap_or(0) + 1;
///     session.set("visits", &visits).await?;
///     Ok(format!("visit {visits}"))
/// }
/// ```
#[derive(Clone, Debug)]
pub struct ServerSession(token_http::ServerSession);

impl Deref for ServerSession {
    type Target = token_http::ServerSession;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<S> FromRequestParts<S> for ServerSession
where
    S: Send + Sync,
    Auth: FromRef<S>,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let auth = Auth::from_ref(state);
        let session = find(&auth, parts).await?;
        session.ok_or_else(|| auth.reject(Refusal::Unauthorized).into())
    }
}

impl<S> OptionalFromRequestParts<S> for ServerSession
where
    S: Send + Sync,
    Auth: FromRef<S>,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Rejection> {
        find(&Auth::from_ref(state), parts).await
    }
}

async fn find(auth: &Auth, parts: &Parts) -> Result<Option<ServerSession>, Rejection> {
    Ok(session(auth, parts).await?.map(ServerSession))
}

/// The session of a request, kept where [`sessions`](crate::sessions) finds it.
pub(crate) async fn session(
    auth: &Auth,
    parts: &Parts,
) -> Result<Option<token_http::ServerSession>, token_http::Rejection> {
    auth.server_session(&head(parts), parts.extensions.get())
        .await
}
