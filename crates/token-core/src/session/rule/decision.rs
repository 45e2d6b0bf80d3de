//! What the rotation rule decides, as values that wait for the store: nothing in them can leave before it
//! is committed.

use crate::session::change::{Committed, Ending, Rotation, Touch};
use crate::session::denial::Denial;
use crate::session::record::Session;
use crate::session::rule::granted::{Granted, Pending};
use crate::types::count::Generation;

/// What a presented credential means for a session, by [`decide`](crate::session::rule::decide).
#[derive(Debug)]
#[must_use]
#[expect(
    clippy::exhaustive_enums,
    reason = "the rotation rule has these outcomes"
)]
#[expect(clippy::large_enum_variant, reason = "a decision lives for one call")]
pub enum Decision {
    /// Refuse it; nothing is written.
    Deny(Denial),
    /// Answer with the credential in force again and a fresh access token; nothing is written.
    Replay(Granted),
    /// It was stolen: end the session, then refuse.
    Revoke(PendingReuse),
    /// Write the successor, then answer with it.
    Rotate(Rotation, Pending),
    /// Write the new idle deadline, then answer as for a replay.
    Touch(Touch, Pending),
}

/// A session that must be ended because a superseded credential came back.
///
/// The answer `reused` exists only once the store has ended the session:
///
/// ```compile_fail,E0639
/// # use token_core::session::{Denial, Generation};
/// # fn f(g: Generation) -> Denial {
/// Denial::Reused { presented: g, stored: g }
/// # }
/// ```
#[derive(Debug)]
#[must_use = "the session is not ended yet"]
pub struct PendingReuse {
    /// What the store shall write.
    pub ending: Ending,
    pub(crate) presented: Generation,
    pub(crate) stored: Generation,
}

impl PendingReuse {
    /// The answer, once the store has ended the session.
    ///
    /// # Errors
    /// Itself, if `session` is not the ended one.
    pub fn committed(self, session: &Committed<Session>) -> Result<Denial, Self> {
        if session.id == self.ending.id && session.revocation.is_some() {
            let Self {
                presented, stored, ..
            } = self;
            Ok(Denial::Reused { presented, stored })
        } else {
            Err(self)
        }
    }
}

impl From<Result<PendingReuse, Denial>> for Decision {
    /// What becomes of a superseded credential.
    fn from(superseded: Result<PendingReuse, Denial>) -> Self {
        superseded.map_or_else(Self::Deny, Self::Revoke)
    }
}
