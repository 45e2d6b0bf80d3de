//! Keys, each for exactly one algorithm, and what a key must be to be admitted.
//!
//! > Libraries MUST enable the caller to specify a supported set of algorithms and MUST NOT use any
//! > other algorithms when performing cryptographic operations. The library MUST ensure that the
//! > "alg" or "enc" header specifies the same algorithm that is used for the cryptographic
//! > operation. Moreover, each key MUST be used with exactly one algorithm, and this MUST be
//! > checked when the cryptographic operation is performed.
//!
//! [RFC 8725 section 3.1](https://www.rfc-editor.org/rfc/rfc8725#section-3.1). So the algorithm
//! belongs to the key, and a token's header is only compared with it.
//!
//! [`KeyRing`] holds the keys of one issuer; refresh tokens have a key type of their own.

pub(crate) mod algorithm;
mod der;
pub(crate) mod error;
mod jwk;
mod pem;
pub(crate) mod private;
pub(crate) mod public;
mod recipients;
pub(crate) mod ring;
#[cfg(test)]
mod ring_tests;
pub(crate) mod set;
#[cfg(test)]
mod set_tests;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
pub(crate) mod weak;

pub use algorithm::Algorithm;
pub use error::KeyError;
pub use private::SigningKey;
pub use public::VerifyingKey;
pub use recipients::Recipients;
pub use ring::{KeyRing, KeyRingError};
pub use set::JwkSet;
