//! Why a verifier or an introspection client cannot be built.

use std::time::Duration;

use thiserror::Error;
use token_core::Algorithm;
use token_core::access::VerifierError;

use crate::address::AddressError;

/// Settings that cannot be.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// An address that is never asked.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The HTTP client cannot be made, for lack of root certificates for instance.
    #[error("the HTTP client cannot be made")]
    Client(#[source] reqwest::Error),
    /// The introspection key has a character that no header can carry.
    #[error("the introspection key has a character that no header can carry; use visible ASCII")]
    Key,
    /// What should be a certificate authority is none.
    #[error("there is no certificate; give one or more in PEM")]
    NoCertificate,
    /// A duration is too short or too long.
    #[error("{name} of {value:?} is not between {min:?} and {max:?}")]
    Range {
        /// Which setting.
        name: &'static str,
        /// What was given.
        value: Duration,
        /// The shortest allowed.
        min: Duration,
        /// The longest allowed.
        max: Duration,
    },
    /// A secret cannot be published.
    #[error("{algorithm} has no public keys; name an asymmetric algorithm")]
    Symmetric {
        /// What was asked for.
        algorithm: Algorithm,
    },
    /// A leeway or a maximum age that cannot be.
    #[error(transparent)]
    Verifier(#[from] VerifierError),
}
