//! Why a schedule cannot be changed as asked.

use std::time::Duration;

use thiserror::Error;
use token_core::keys::KeyRingError;
use token_core::{KeyId, UnixTime};

/// A step that a schedule does not allow, or keys and durations that do not go together.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// The next key is not known everywhere yet.
    #[error("until {until} verifiers may not know the next key; wait, or remove the current one")]
    Early {
        /// From when on it may sign.
        until: UnixTime,
    },
    /// No key at all.
    #[error("there is no key; add one")]
    Empty,
    /// Keys that do not go together.
    #[error(transparent)]
    Keys(#[from] KeyRingError),
    /// There is no key to sign instead.
    #[error("there is no next key; publish one first")]
    NoNext,
    /// Keys would be replaced too often.
    #[error(
        "a key that signs for {} s is replaced too early for these lifetimes; let it sign for at least {} s",
        period.as_secs(), least.as_secs()
    )]
    Period {
        /// The value that was given.
        period: Duration,
        /// The shortest that is allowed.
        least: Duration,
    },
    /// No such key.
    #[error("there is no key {id}")]
    UnknownKey {
        /// What was asked for.
        id: KeyId,
    },
}
