//! The extractor of callers whose request is not a use of their session.

use std::ops::Deref;

use axum::extract::FromRequestParts;
use http::request::Parts;
use token_http::SessionSlot;

/// A caller whose session goes on exactly as long as without this request: its idle deadline does not
/// move. For a page that asks again and again whether somebody is logged in, and must not keep them
/// logged in by asking. Prefetches of a browser never move the deadline, and neither does
/// `GET /auth/session`.
///
/// Of several extractors in a handler, it has to be the first that takes a session.
///
/// ```
/// use adapter_axum::{Any, Untouched};
///
/// async fn is_logged_in(Untouched(caller): Untouched<Option<Any>>) -> &'static str {
///     if caller.is_some() { "yes" } else { "no" }
/// }
/// ```
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "taken apart in signatures")]
pub struct Untouched<A>(pub A);

impl<A> Deref for Untouched<A> {
    type Target = A;

    fn deref(&self) -> &A {
        &self.0
    }
}

impl<S, A> FromRequestParts<S> for Untouched<A>
where
    S: Send + Sync,
    A: FromRequestParts<S>,
{
    type Rejection = A::Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, A::Rejection> {
        if let Some(slot) = parts.extensions.get::<SessionSlot>() {
            slot.look();
        }
        A::from_request_parts(parts, state).await.map(Self)
    }
}
