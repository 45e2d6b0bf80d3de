//! Whether a caller who is not valid is served as a guest.

use crate::head::Head;
use crate::refusal::Refusal;
use crate::rejection::Rejection;
use crate::server_session::SessionSlot;

/// Whether a request that was refused so is served as one of nobody: it has no credential, or one that is not
/// valid. A caller who may not do something, a request of another site, and a store that cannot be asked are
/// none of these, nor is a refusal that deletes a bound cookie: the browser renews that only if it is gone.
///
/// If it was a session cookie that will never be good again, and the request asks for a page that a user opens,
/// the answer deletes the cookie. For adapters.
pub fn is_nobody(rejection: &Rejection, head: &Head<'_>, slot: Option<&SessionSlot>) -> bool {
    match rejection.refusal() {
        Refusal::InvalidToken(_) => {
            if let Some(slot) = slot.filter(|_| head.opens_page()) {
                slot.delete_dead();
            }
            true
        }
        Refusal::InvalidRequest | Refusal::Unauthorized => true,
        _ => rejection.is_for_want_of_proof(),
    }
}
