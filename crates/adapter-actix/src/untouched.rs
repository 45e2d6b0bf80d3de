//! The extractor of callers whose request is not a use of their session.

use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;

use actix_web::{FromRequest, HttpMessage as _, HttpRequest, dev};
use token_http::SessionSlot;

/// A caller whose session goes on exactly as long as without this request: its idle deadline does not
/// move. For a page that asks again and again whether somebody is logged in, and must not keep them
/// logged in by asking. Prefetches of a browser never move the deadline, and neither does
/// `GET /auth/session`.
///
/// Of several extractors in a handler, it has to be the first that takes a session.
///
/// ```
/// use adapter_actix::{Any, Optional, Untouched};
///
/// async fn is_logged_in(Untouched(caller): Untouched<Optional<Any>>) -> &'static str {
///     if caller.0.is_some() { "yes" } else { "no" }
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

impl<A: FromRequest + 'static> FromRequest for Untouched<A> {
    type Error = A::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, A::Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let slot = request.extensions().get::<SessionSlot>().cloned();
        let caller = A::from_request(request, payload);
        Box::pin(async move {
            // Not before: actix makes the futures of all extractors before it polls the first.
            if let Some(slot) = slot {
                slot.look();
            }
            caller.await.map(Self)
        })
    }
}
