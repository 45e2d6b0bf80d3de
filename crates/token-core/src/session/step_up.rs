//! What a step-up changes of its session.

use crate::session::permit::Rights;
use crate::session::record::{Authentication, Session};

/// What a step-up changes of its session: the authentication, and what the session may do.
///
/// An [`Authentication`] is turned into one that changes no more than that.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "this is all that it can change")]
pub struct StepUp {
    /// When and how the user has just proven who they are.
    pub authentication: Authentication,
    /// What the session may do from now on.
    pub rights: Rights,
}

impl StepUp {
    /// Whether the step-up that was made last has done all that this one asks for: it is the same one, and its
    /// answer was lost.
    pub(crate) fn is_done(&self, session: &Session) -> bool {
        let (asked, last) = (&self.authentication, &session.authentication);
        (&asked.acr, &asked.amr) == (&last.acr, &last.amr) && self.rights.are_those_of(session)
    }
}

impl From<Authentication> for StepUp {
    fn from(authentication: Authentication) -> Self {
        Self {
            authentication,
            rights: Rights::default(),
        }
    }
}
