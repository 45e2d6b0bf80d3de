//! Sessions and tokens of another system, which become sessions here in the request in which they are first
//! seen: so nobody is logged out when an application moves in.
//!
//! [`SessionManager::adopt`](crate::SessionManager::adopt) opens the session. The policy says until when
//! ([`adopts_until`](token_core::session::PolicyBuilder::adopts_until)). Reading what another system has left
//! with the client is up to `token-http`.

use std::fmt;

use thiserror::Error;
use token_core::session::IssueError;
use token_core::{SessionId, Subject, UnixTime};
use zeroize::Zeroizing;

use crate::erased::StoreError;
use crate::error::{CredentialsError, RefreshError};
use crate::manager::{NewSession, PermitError};
use crate::signer::SignerError;

/// A live session of another system, as a reader of its credentials says.
#[derive(Clone)]
#[non_exhaustive]
pub struct OldSession {
    /// Whose session it is.
    pub subject: Subject,
    /// What the session becomes here. Scope and claims are compared each time that the old credential comes: what the
    /// scope has lost since the first time the session loses too, and claims that differ take the place of its own.
    /// If they change by [`SessionManager::permit`](crate::SessionManager::permit), say the same here.
    ///
    /// Name the authentication that the old system knows; without one, the
    /// user counts as authenticated in 1970, so that a route which wants a recent one asks again.
    pub session: NewSession,
    /// When it ends by the old rules, exclusive; `None` if those name no end.
    pub expires_at: Option<UnixTime>,
    /// Under which key the old system has stored it, if it has: the application may want to delete it there.
    pub stored_under: Option<Zeroizing<String>>,
    pub(crate) credential: Zeroizing<Vec<u8>>,
}

impl OldSession {
    /// A session of `subject`, proven by these bytes.
    ///
    /// The same bytes are the same session, so there must be one form of them alone: decode what can be spelt in
    /// several ways, such as base64 or percent escapes, and take what was signed and not a signature that can
    /// be changed. Else an old credential in another spelling is another session, also after a logout.
    pub fn new(subject: Subject, credential: impl Into<Vec<u8>>, session: NewSession) -> Self {
        Self {
            subject,
            session,
            expires_at: None,
            stored_under: None,
            credential: Zeroizing::new(credential.into()),
        }
    }

    /// The same with the end that it has by the old rules. The session here ends then at the latest.
    #[must_use]
    pub fn ends_at(mut self, expires_at: UnixTime) -> Self {
        self.expires_at = Some(expires_at);
        self
    }

    /// The same with the key under which the old system has stored it.
    #[must_use]
    pub fn stored_under(mut self, key: impl Into<String>) -> Self {
        self.stored_under = Some(Zeroizing::new(key.into()));
        self
    }
}

impl fmt::Debug for OldSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OldSession")
            .field("subject", &self.subject)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Why an old session was not adopted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AdoptError {
    /// All sessions of the subject were ended since, and the old ones with them.
    #[error("all sessions of the subject were ended")]
    AllEnded,
    /// The session that has taken its place was ended, or has expired.
    #[error("session {session}, which has taken its place, has ended")]
    Ended {
        /// That session.
        session: SessionId,
    },
    /// It has expired by the old rules.
    #[error("it has ended at {expires_at}, and now it is {now}")]
    Expired {
        /// When it has ended.
        expires_at: UnixTime,
        /// Now, by this node's clock.
        now: UnixTime,
    },
    /// The credentials could not be made.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// Nothing is adopted any more, or the policy never said until when.
    #[error("old sessions are not adopted at this time")]
    NotAdopting,
    /// The application's hook refused the session that has taken its place, this time.
    #[error("the application refused session {session}, which has taken its place")]
    Refused {
        /// That session.
        session: SessionId,
    },
    /// The session that has taken its place has another credential by now, by a refresh or a step-up.
    #[error("session {session}, which has taken its place, has a newer credential")]
    Replaced {
        /// That session.
        session: SessionId,
    },
    /// The subject is kept for sessions of nobody (`urn:hallpass:…`).
    #[error("the subject is kept for sessions of nobody, and no user can have it")]
    ReservedSubject,
    /// The signer gave no signature: try again.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The store could not answer: try again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AdoptError {
    /// Whether the old session counts as ended. The other errors are faults of the server, and say nothing of
    /// the session.
    pub const fn is_refusal(&self) -> bool {
        match self {
            Self::AllEnded
            | Self::Ended { .. }
            | Self::Expired { .. }
            | Self::NotAdopting
            | Self::Refused { .. }
            | Self::Replaced { .. }
            | Self::ReservedSubject => true,
            Self::Issue(_) | Self::Signer(_) | Self::Store(_) => false,
        }
    }
}

impl AdoptError {
    /// What the application's hook said, which was asked about this session.
    pub(crate) fn of_hook(error: RefreshError, session: SessionId) -> Self {
        match error {
            RefreshError::Refused => Self::Refused { session },
            RefreshError::Store(error) => error.into(),
            RefreshError::Issue(error) => error.into(),
            RefreshError::Signer(error) | RefreshError::SignerAfterWrite(error) => error.into(),
            // It has ended the session.
            RefreshError::Behind
            | RefreshError::Contended { .. }
            | RefreshError::Denied(_)
            | RefreshError::Scope => Self::Ended { session },
        }
    }
}

impl From<PermitError> for AdoptError {
    fn from(error: PermitError) -> Self {
        match error {
            PermitError::Issue(error) => error.into(),
            PermitError::Store(error) => error.into(),
        }
    }
}

impl From<CredentialsError> for AdoptError {
    fn from(error: CredentialsError) -> Self {
        match error {
            CredentialsError::Issue(error) => error.into(),
            CredentialsError::Signer(error) => error.into(),
        }
    }
}
