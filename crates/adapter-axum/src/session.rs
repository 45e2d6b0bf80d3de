//! The extractor of server sessions.

use std::ops::Deref;

use axum::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use http::header::COOKIE;
use http::request::Parts;
use token_http::{Auth, Refusal, SessionSlot};
use tracing::error;

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
    let Some(slot) = slot(parts)? else {
        return Ok(None);
    };
    let session = auth.server_session(&head(parts), slot).await?;
    Ok(session.map(ServerSession))
}

/// Where the session of a request is kept; `None` where it has no cookie and so no session.
pub(crate) fn slot(parts: &Parts) -> Result<Option<&SessionSlot>, Rejection> {
    if !parts.headers.contains_key(COOKIE) {
        return Ok(None);
    }
    parts.extensions.get().map(Some).ok_or_else(|| {
        error!(
            "a handler takes a server session outside of its layer: add \
             `.layer(adapter_axum::sessions())` around its route"
        );
        token_http::Rejection::server_error().into()
    })
}
