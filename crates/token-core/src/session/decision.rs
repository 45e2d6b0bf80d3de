//! What the rotation rule decides, as values that wait for the store: nothing in them can leave
//! before it is committed.

use crate::access::custom::CustomClaims;
use crate::session::change::{Committed, CredentialMismatch, Ending, Granted, Rotation};
use crate::session::denial::{Denial, Reused};
use crate::session::record::Session;
use crate::types::secret::TokenSecret;

/// A session that is to be inserted, and the secret of its first credential.
#[derive(Debug)]
#[must_use = "nothing is stored yet"]
pub struct PendingLogin {
    pub(crate) session: Session,
    pub(crate) secret: TokenSecret,
}

impl PendingLogin {
    /// The row that the store shall insert.
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// Joins the secret with the row that the store inserted.
    ///
    /// # Errors
    /// [`CredentialMismatch`] where it inserted another.
    pub fn committed(self, session: Committed<Session>) -> Result<Granted, CredentialMismatch> {
        Granted::new(session, self.secret)
    }
}

/// A rotation that is to be written, and the secret that comes into force with it.
#[derive(Debug)]
#[must_use = "nothing is stored yet"]
pub struct PendingRotation {
    pub(crate) rotation: Rotation,
    pub(crate) secret: TokenSecret,
}

impl PendingRotation {
    /// What the store shall write.
    pub const fn rotation(&self) -> &Rotation {
        &self.rotation
    }

    /// Replaces the application's claims in the same write.
    pub fn with_claims(mut self, claims: CustomClaims) -> Self {
        self.rotation.claims = Some(claims);
        self
    }

    /// Joins the secret with the row as the store wrote it.
    ///
    /// # Errors
    /// [`CredentialMismatch`] where it wrote another.
    pub fn committed(self, session: Committed<Session>) -> Result<Granted, CredentialMismatch> {
        Granted::new(session, self.secret)
    }
}

/// What a presented credential means for a session, by [`decide`](crate::session::decide).
#[derive(Debug)]
#[must_use]
#[expect(
    clippy::exhaustive_enums,
    reason = "the rotation rule has these four outcomes"
)]
pub enum Decision {
    /// Refuse it; nothing is written.
    Deny(Denial),
    /// Answer with the same credential again and a fresh access token; nothing is written.
    Replay(Granted),
    /// It was stolen: end the session, then refuse.
    Revoke(PendingReuse),
    /// Write the successor, then answer with it.
    Rotate(PendingRotation),
}

/// A session that must be ended because a superseded credential came back.
///
/// The answer `reused` exists only once the store has ended it:
///
/// ```compile_fail,E0451
/// # use token_core::session::{Denial, Generation, Reused};
/// # fn f(g: Generation) -> Denial {
/// Denial::Reused(Reused { presented: g, stored: g })
/// # }
/// ```
#[derive(Debug)]
#[must_use = "the session is not ended yet"]
pub struct PendingReuse {
    pub(crate) ending: Ending,
    pub(crate) evidence: Reused,
}

impl PendingReuse {
    /// What the store shall write.
    pub const fn ending(&self) -> &Ending {
        &self.ending
    }

    /// The answer, once the store has ended the session.
    ///
    /// # Errors
    /// Itself, where `session` is not the ended one.
    pub fn committed(self, session: &Committed<Session>) -> Result<Denial, Self> {
        if session.id == self.ending.id && session.revocation.is_some() {
            Ok(Denial::Reused(self.evidence))
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
