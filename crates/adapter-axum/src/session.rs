//! The extractor of server sessions, and the layer that ends them with the request.

use std::ops::Deref;

use axum::extract::{FromRef, FromRequestParts, OptionalFromRequestParts, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::HeaderValue;
use http::header::SET_COOKIE;
use http::request::Parts;
use token_http::{Auth, Refusal, SessionSlot};
use tracing::error;

use crate::answer::Rejection;
use crate::head::head;

/// A live session that the request's cookie has proven, with the application's private data.
/// Needs [`sessions`] around the route; unsafe methods must pass the CSRF rule.
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
        let session = auth.server_session(&head(parts), slot(parts)?).await?;
        Ok(Self(
            session.ok_or_else(|| auth.reject(Refusal::Unauthorized))?,
        ))
    }
}

impl<S> OptionalFromRequestParts<S> for ServerSession
where
    S: Send + Sync,
    Auth: FromRef<S>,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Rejection> {
        let auth = Auth::from_ref(state);
        let session = auth.server_session(&head(parts), slot(parts)?).await?;
        Ok(session.map(Self))
    }
}

/// The layer around handlers that take [`ServerSession`] or [`Any`](crate::Any): at the end of
/// the request it writes the data that was changed and sends the cookie again where the
/// session slid. Where another request wrote first the answer is 409 `conflict` instead of the
/// handler's.
///
/// ```
/// # use axum::{Router, middleware};
/// # fn app(router: Router) -> Router {
/// router.layer(middleware::from_fn(adapter_axum::sessions))
/// # }
/// ```
pub async fn sessions(mut request: Request, next: Next) -> Response {
    if request.extensions().get::<SessionSlot>().is_some() {
        // A layer further out will end it.
        return next.run(request).await;
    }
    let slot = SessionSlot::default();
    request.extensions_mut().insert(slot.clone());
    let response = next.run(request).await;
    match slot.finish().await {
        Ok(None) => response,
        Ok(Some(field)) => with_cookie(response, field),
        Err(rejection) => Rejection::from(rejection).into_response(),
    }
}

fn with_cookie(mut response: Response, field: HeaderValue) -> Response {
    let fields = response.headers().get_all(SET_COOKIE).iter();
    if !token_http::sets_session_cookie(fields.map(HeaderValue::as_bytes)) {
        response.headers_mut().append(SET_COOKIE, field);
    }
    response
}

pub(crate) fn slot(parts: &Parts) -> Result<&SessionSlot, Rejection> {
    parts.extensions.get().ok_or_else(|| {
        error!(
            "a handler takes a server session outside of its layer: add \
             `.layer(axum::middleware::from_fn(adapter_axum::sessions))` around its route"
        );
        token_http::Rejection::server_error().into()
    })
}
