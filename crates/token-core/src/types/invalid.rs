//! The one error of values that are checked when they are made.

use thiserror::Error;

/// A value that cannot be used. Nothing of it is repeated, as it may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidValue {
    /// It has a character that is not allowed there.
    #[error("{kind} has a character that is not allowed")]
    Character {
        /// The type of the value.
        kind: &'static str,
    },
    /// It is empty.
    #[error("{kind} must not be empty")]
    Empty {
        /// The type of the value.
        kind: &'static str,
    },
    /// It is not base64url of the right length.
    #[error("{kind} does not have the required form")]
    Form {
        /// The type of the value.
        kind: &'static str,
    },
    /// A time outside the years 1970 to 9999.
    #[error("{seconds} seconds are not a time between the years 1970 and 9999")]
    Time {
        /// Seconds since 1970; 0 if they were negative.
        seconds: u64,
    },
    /// It is longer than allowed.
    #[error("{kind} is longer than {max} bytes")]
    TooLong {
        /// The type of the value.
        kind: &'static str,
        /// The longest that is allowed, in bytes.
        max: usize,
    },
    /// A word that stands for no value of an enumeration.
    #[error("unknown {kind}; use one of {}", known.join(", "))]
    Word {
        /// The enumeration.
        kind: &'static str,
        /// Its words.
        known: &'static [&'static str],
    },
}
