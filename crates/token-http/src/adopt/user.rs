//! Who an old session is of, in the words of the application.

use token_core::Subject;
use token_session::NewSession;

/// Who an old session is of, and what the session becomes here: what an application answers to a reader
/// that has decoded the old session and does not know what it means.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "made with all of it, or with `new`"
)]
pub struct OldUser {
    /// The subject of the new session. The same that a login gives to this user.
    pub subject: Subject,
    /// Scope, claims and data of the new session. The transport is given by how the old credential came,
    /// and without a device the one that the request comes from is noted.
    pub session: NewSession,
}

impl OldUser {
    /// A user whose session has no scope and no claims.
    pub fn new(subject: Subject) -> Self {
        Self {
            subject,
            session: NewSession::default(),
        }
    }
}
