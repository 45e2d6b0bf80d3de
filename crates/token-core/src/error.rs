//! What can go wrong, one type for each decision a caller can make.
//!
//! Errors carry evidence for logs. Nothing here is meant for a client: the adapters give
//! one flat answer (see `token-http`).

use thiserror::Error;

/// A time outside the years 1970 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0} seconds are not a time between the years 1970 and 9999")]
pub struct TimeOutOfRange(pub(crate) u64);

/// Text that is not what it should be, and of which nothing is repeated: it may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the text does not have the required form")]
pub struct Malformed;

/// A name that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidName {
    /// It has a character that is not allowed there.
    #[error("{kind} has a character that is not allowed")]
    Character {
        /// What the name is for.
        kind: &'static str,
    },
    /// It is empty.
    #[error("{kind} must not be empty")]
    Empty {
        /// What the name is for.
        kind: &'static str,
    },
    /// It is longer than allowed.
    #[error("{kind} is longer than {max} bytes")]
    TooLong {
        /// What the name is for.
        kind: &'static str,
        /// The longest allowed, in bytes.
        max: usize,
    },
}

/// A [`Policy`](crate::Policy) that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// A duration has a part below a second; tokens count whole seconds.
    #[error("{name} of {value:?} is not in whole seconds")]
    Fraction {
        /// Which setting.
        name: &'static str,
        /// What was given.
        value: std::time::Duration,
    },
    /// A duration is too short or too long to be safe or useful.
    #[error("{name} of {value:?} is not between {min:?} and {max:?}")]
    OutOfRange {
        /// Which setting.
        name: &'static str,
        /// What was given.
        value: std::time::Duration,
        /// The shortest allowed.
        min: std::time::Duration,
        /// The longest allowed.
        max: std::time::Duration,
    },
    /// An ended session would be forgotten while access tokens of it may live.
    #[error(
        "a tombstone of {value:?} is forgotten while access tokens of its session may live; use \
         at least {min:?}"
    )]
    TombstoneShort {
        /// What was given.
        value: std::time::Duration,
        /// The access lifetime with what clocks may add.
        min: std::time::Duration,
    },
}

/// A word that stands for no value of an enumeration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a known {kind}")]
pub struct UnknownWord {
    pub(crate) kind: &'static str,
}

/// The store has another credential than the one that was to be handed out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("session {session} holds another credential in generation {}", generation.as_u64())]
pub struct CredentialMismatch {
    pub(crate) session: crate::id::SessionId,
    pub(crate) generation: crate::session::Generation,
}

/// A refresh key that a row or a token names is not in the key ring.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the refresh key {kid} is not in the key ring of this node; give every node the same keys")]
pub struct KeyMissing {
    pub(crate) kid: crate::name::KeyId,
}

/// A refresh key or ring that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RefreshKeyError {
    /// Two keys of a ring have one identifier.
    #[error("two refresh keys are named {kid}; give each key an identifier of its own")]
    Duplicate {
        /// The identifier.
        kid: crate::name::KeyId,
    },
    /// The secret is too short to be safe.
    #[error("a refresh key of {length} bytes is too short; use at least 32 random bytes")]
    Short {
        /// Its length in bytes.
        length: usize,
    },
}

/// Why a text is not a refresh token of ours. The client learns only `malformed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RefreshTokenError {
    /// The claims are signed by us but not of the form we sign.
    #[error("the claims of the refresh token are not of the required form")]
    Claims,
    /// It is not three parts of base64url within the size limit.
    #[error("not a compact JWS within the size limit")]
    Form,
    /// It was issued by another issuer, or for another audience.
    #[error("the refresh token has another issuer or audience")]
    Recipient,
    /// The signature does not fit.
    #[error("the signature of the refresh token does not fit")]
    Signature,
    /// No key of the ring has this header.
    #[error("the header of the refresh token is not that of any key in the ring")]
    UnknownKey,
}

/// Why credentials could not be made. Always a fault on the server's side.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The refresh key of the row is not in the ring.
    #[error(transparent)]
    Key(#[from] KeyMissing),
    /// The access token could not be signed.
    #[error(transparent)]
    Sign(#[from] crate::sign::SignError),
}

/// A revocation view has no room left: it no longer knows everything that was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the revocation view is full; give it a larger capacity")]
pub struct ViewFull;
