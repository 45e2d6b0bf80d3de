//! The write that changes what a session may do.

use crate::access::custom::CustomClaims;
use crate::session::record::Session;
use crate::types::id::SessionId;
use crate::types::scope::Scope;
use crate::types::time::UnixTime;

/// What a session may do, as far as it changes. What is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made with `..Rights::default()`")]
pub struct Rights {
    /// Becomes the scope.
    pub scope: Option<Scope>,
    /// Become the application's own claims.
    pub claims: Option<CustomClaims>,
}

impl Rights {
    pub(crate) fn apply_to(&self, session: &mut Session) {
        if let Some(scope) = &self.scope {
            session.scope.clone_from(scope);
        }
        if let Some(claims) = &self.claims {
            session.claims.clone_from(claims);
        }
    }

    /// Whether the session has them already.
    pub(crate) fn are_those_of(&self, session: &Session) -> bool {
        let scope = self.scope.as_ref();
        let claims = self.claims.as_ref();
        scope.is_none_or(|scope| *scope == session.scope)
            && claims.is_none_or(|claims| *claims == session.claims)
    }
}

impl From<CustomClaims> for Rights {
    fn from(claims: CustomClaims) -> Self {
        let claims = Some(claims);
        Self {
            claims,
            ..Self::default()
        }
    }
}

impl From<Scope> for Rights {
    fn from(scope: Scope) -> Self {
        let scope = Some(scope);
        Self {
            scope,
            ..Self::default()
        }
    }
}

/// Changes what a session may do.
///
/// It happens only if the session has this `id` and is live at `at`. The credential and the deadlines stay.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "this is all that it can say")]
pub struct Permit {
    /// The session.
    pub id: SessionId,
    /// What it may do from now on.
    pub rights: Rights,
    /// The instant at which the session must be live, by the clock of the node that asks.
    pub at: UnixTime,
}

impl Permit {
    pub(crate) fn apply_to(&self, session: &mut Session) -> bool {
        let expected = session.id == self.id && session.is_live(self.at);
        if expected {
            self.rights.apply_to(session);
        }
        expected
    }
}
