//! The extractor of callers who may be nobody.

use std::ops::Deref;

use axum::extract::FromRequestParts;
use http::request::Parts;

use crate::answer::Rejection;
use crate::head::head;

/// `Some` caller who is valid, or `None`: for pages that guests may see. Somebody whose session has ended
/// sees such a page as a guest, and is not refused because of an old cookie.
///
/// The old cookie is deleted if the browser says that the user opens a page with the request
/// (`Sec-Fetch-Dest: document`). It stays if the answer takes longer than a second, since the user may have
/// logged in meanwhile, and if the store cannot be asked, which is answered with 503.
///
/// ```
/// use adapter_axum::{Any, OrNobody};
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

impl<S, E> FromRequestParts<S> for OrNobody<E>
where
    S: Send + Sync,
    E: FromRequestParts<S, Rejection = Rejection>,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        match E::from_request_parts(parts, state).await {
            Ok(caller) => Ok(Self(Some(caller))),
            Err(refused) => {
                let slot = parts.extensions.get();
                if token_http::is_nobody(&refused.0, &head(parts), slot) {
                    Ok(Self(None))
                } else {
                    Err(refused)
                }
            }
        }
    }
}
