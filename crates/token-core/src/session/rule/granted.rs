//! The secret of a credential, before and after the write with which it comes into force.

use crate::access::custom::CustomClaims;
use crate::keys::error::IssueError;
use crate::session::change::Committed;
use crate::session::record::Session;
use crate::types::secret::{TokenHash, TokenSecret};

/// The secret of a credential that comes into force with a write which the store has still to make: it comes
/// beside the [`Session`] that a login inserts, the [`Rotation`](crate::session::Rotation) of a refresh, and the
/// [`Touch`](crate::session::Touch) of one that gets the same credential again.
#[derive(Debug)]
#[must_use = "nothing is stored yet"]
pub struct Pending {
    pub(crate) secret: TokenSecret,
    /// The hash of the secret, as it was computed for the write.
    pub(crate) hash: TokenHash,
}

impl Pending {
    /// Joins the secret with the session as the store wrote it.
    ///
    /// # Errors
    /// [`IssueError::CredentialMismatch`] if the store has another credential.
    pub fn committed(self, session: Committed<Session>) -> Result<Granted, IssueError> {
        Granted::new(session, self.secret, self.hash)
    }
}

/// A committed session together with the secret of its current credential: what tokens and
/// cookies are made from, and nothing else.
#[derive(Debug)]
#[must_use]
pub struct Granted {
    /// Behind a pointer: a grant goes from call to call until it is answered.
    session: Box<Committed<Session>>,
    secret: TokenSecret,
    /// Other claims of the application's for the access token, if a replay, which writes nothing, shall have
    /// some: the session keeps its own until the next rotation.
    pub claims: Option<CustomClaims>,
}

impl Granted {
    /// Joins the two if the secret's hash is the one that the store has.
    pub(crate) fn new(
        session: Committed<Session>,
        secret: TokenSecret,
        hash: TokenHash,
    ) -> Result<Self, IssueError> {
        if session.token_hash == hash {
            Ok(Self {
                session: Box::new(session),
                secret,
                claims: None,
            })
        } else {
            Err(IssueError::CredentialMismatch {
                session: session.id,
                generation: session.generation,
            })
        }
    }

    /// The session.
    pub const fn session(&self) -> &Committed<Session> {
        &self.session
    }

    /// The session by value.
    pub fn into_session(self) -> Committed<Session> {
        *self.session
    }

    pub(crate) const fn secret(&self) -> &TokenSecret {
        &self.secret
    }

    /// The application's claims of the access token.
    pub(crate) fn claims(&self) -> &CustomClaims {
        self.claims.as_ref().unwrap_or(&self.session.claims)
    }
}
