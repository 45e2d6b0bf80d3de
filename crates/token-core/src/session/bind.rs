//! The write that binds a session to a key.

use crate::binding::record::Binding;
use crate::session::record::Session;
use crate::types::id::SessionId;
use crate::types::time::UnixTime;

/// Replaces the binding of a session.
///
/// It happens only if the session has this `id`, is live at `at`, and has exactly the binding `from`. The
/// credential and the deadlines stay.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "this is all that it can say")]
pub struct Bind {
    /// The session.
    pub id: SessionId,
    /// The binding that the session must have.
    pub from: Binding,
    /// Becomes the binding.
    pub to: Binding,
    /// The instant at which the session must be live, by the clock of the node that asks.
    pub at: UnixTime,
}

impl Bind {
    pub(crate) fn apply_to(&self, session: &mut Session) -> bool {
        let expected =
            session.id == self.id && session.binding == self.from && session.is_live(self.at);
        if expected {
            session.binding = self.to;
        }
        expected
    }
}
