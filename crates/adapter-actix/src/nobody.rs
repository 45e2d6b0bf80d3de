//! The extractor of callers who may be nobody.

use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;

use actix_web::{FromRequest, HttpMessage as _, HttpRequest, dev};
use token_http::SessionSlot;

use crate::answer::Rejection;
use crate::head::OwnedHead;

/// `Some` caller who is valid, or `None`: for pages that guests may see. Somebody whose session has ended
/// sees such a page as a guest, and is not refused because of an old cookie.
///
/// The old cookie is deleted if the browser says that the user opens a page with the request
/// (`Sec-Fetch-Dest: document`). It stays if the answer takes longer than a second, since the user may have
/// logged in meanwhile, and if the store cannot be asked, which is answered with 503.
///
/// ```
/// use adapter_actix::{Any, OrNobody};
///
/// async fn home(OrNobody(caller): OrNobody<Any>) -> String {
///     caller.map_or("Hello, guest".to_owned(), |caller| format!("Hello, {}", caller.subject()))
/// }
/// ```
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "taken apart in signatures")]
pub struct OrNobody<E>(pub Option<E>);

impl<E> Deref for OrNobody<E> {
    type Target = Option<E>;

    fn deref(&self) -> &Option<E> {
        &self.0
    }
}

impl<E: FromRequest<Error = Rejection> + 'static> FromRequest for OrNobody<E> {
    type Error = Rejection;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Rejection>>>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let request = request.clone();
        let caller = E::from_request(&request, payload);
        Box::pin(async move {
            let refused = match caller.await {
                Ok(caller) => return Ok(Self(Some(caller))),
                Err(refused) => refused,
            };
            let slot = request.extensions().get::<SessionSlot>().cloned();
            let head = OwnedHead::of(&request);
            if token_http::is_nobody(&refused.0, &head.borrow(), slot.as_ref()) {
                Ok(Self(None))
            } else {
                Err(refused)
            }
        })
    }
}
