//! What can go wrong in the driver, one type for each decision a caller can make.

use thiserror::Error;
use token_core::session::{Denial, IssueError};

use crate::erased::StoreError;
use crate::session_data::SessionData;
use crate::signer::SignerError;

/// Why a login opened no session.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoginError {
    /// All sessions of the subject were ended since the login began: begin again.
    #[error("all sessions of the subject were ended while it logged in")]
    EpochPassed,
    /// The random session id exists already: the entropy source is broken.
    #[error("the session id is taken: the source of entropy repeats itself")]
    IdTaken,
    /// The credentials could not be made: a key is missing on this node, or the store wrote something else
    /// than it was asked to.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The subject is kept for sessions of nobody (`urn:hallpass:…`): a user needs another one.
    #[error("the subject is kept for sessions of nobody, and no user can have it")]
    ReservedSubject,
    /// The signer gave no signature: try again.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The store could not answer: try again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a refresh or a step-up gave no new credentials.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RefreshError {
    /// The feed is behind, and the policy is to refuse rather than to ask the store about each session
    /// cookie ([`WhenBehind::Refuse`](crate::WhenBehind::Refuse)): try again.
    #[error("the revocation feed is behind, and the policy is to refuse")]
    Behind,
    /// Other writes came first, again and again: try again.
    #[error("the session changed at every one of {attempts} attempts")]
    Contended {
        /// How often it was tried.
        attempts: u32,
    },
    /// The credential was refused, with the evidence.
    #[error("the credential was refused: {0}")]
    Denied(#[from] Denial),
    /// The credentials could not be made: a key is missing on this node, or the store wrote something else
    /// than it was asked to.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The application's hook refused, and the token stays usable.
    #[error("the application refused the refresh")]
    Refused,
    /// A wider scope than the session's was asked for; nothing was written.
    #[error("the scope that was asked for exceeds the session's")]
    Scope,
    /// The signer gave no signature: try again.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The credential was replaced, or other sessions were ended by a change of password, and then the signer
    /// gave no signature for the access token of the answer. Within the grace, a request with the same
    /// credential gets both.
    #[error("the session was changed, and the answer could not be signed")]
    SignerAfterWrite(#[source] SignerError),
    /// The store could not answer: try again. Whether the credential was replaced is certain unless it is
    /// [`StoreError::Unknown`].
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RefreshError {
    /// The same for a call that had written something before it failed.
    pub(crate) fn after_a_write(self) -> Self {
        match self {
            Self::Signer(error) => Self::SignerAfterWrite(error),
            Self::Store(error) => Self::Store(error.after_a_write()),
            other => other,
        }
    }
}

/// Why private data was not written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WriteDataError {
    /// The store could not answer; it wrote nothing unless it is [`StoreError::Unknown`].
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is longer than [`SessionData::MAX_LENGTH`]; nothing was written.
    #[error(
        "the session's data has {length} bytes, and at most {} are kept",
        SessionData::MAX_LENGTH
    )]
    TooLong {
        /// How long, in bytes.
        length: usize,
    },
}

/// Why the credentials of a committed session could not be made.
#[derive(Debug)]
pub(crate) enum CredentialsError {
    Issue(IssueError),
    Signer(SignerError),
}

impl From<IssueError> for CredentialsError {
    fn from(error: IssueError) -> Self {
        Self::Issue(error)
    }
}

impl From<SignerError> for CredentialsError {
    fn from(error: SignerError) -> Self {
        Self::Signer(error)
    }
}

impl From<CredentialsError> for LoginError {
    fn from(error: CredentialsError) -> Self {
        match error {
            CredentialsError::Issue(error) => error.into(),
            CredentialsError::Signer(error) => error.into(),
        }
    }
}

impl From<CredentialsError> for RefreshError {
    fn from(error: CredentialsError) -> Self {
        match error {
            CredentialsError::Issue(error) => error.into(),
            CredentialsError::Signer(error) => error.into(),
        }
    }
}
