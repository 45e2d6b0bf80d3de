//! Whether a caller who is not valid is served as a guest.

use crate::head::Head;
use crate::refusal::Refusal;
use crate::server_session::SessionSlot;

/// Whether a request that was refused for this reason is served as one of nobody: it has no credential, or
/// one that is not valid. A caller who may not do something, a request of another site, and a store that
/// cannot be asked are none of these.
///
/// If it was a session cookie, and the request asks for a page that a user opens, the answer deletes the
/// cookie. For adapters.
pub fn is_nobody(refusal: &Refusal, head: &Head<'_>, slot: Option<&SessionSlot>) -> bool {
    match refusal {
        Refusal::InvalidToken(_) => {
            if let Some(slot) = slot.filter(|_| head.opens_page()) {
                slot.delete_refused();
            }
            true
        }
        Refusal::InvalidRequest | Refusal::Unauthorized | Refusal::Unbound => true,
        _ => false,
    }
}
