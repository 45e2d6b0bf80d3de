//! Access tokens: what they say, how they are signed, and the one way in for those of others.
//!
//! A [`Verifier`] turns an [`UntrustedToken`] into a [`VerifiedToken`], or names the rule that it breaks.
//! A [`CachedVerifier`] remembers what was verified. Tokens are issued by
//! [`TokenIssuer`](crate::TokenIssuer), from a committed session.

pub(crate) mod builder;
pub(crate) mod cache;
pub(crate) mod claims;
pub(crate) mod custom;
pub(crate) mod error;
pub(crate) mod read;
mod shard;
pub(crate) mod sign;
mod sync;
pub(crate) mod token;
pub(crate) mod verify;

pub use crate::jose::error::FormError;
pub use crate::jose::json::JsonError;
pub use builder::{VerifierBuilder, VerifierError};
pub use cache::{CacheCounts, CachedVerifier};
pub use claims::{AccessClaims, NoClaims};
pub use custom::CustomClaims;
pub use error::{ClaimsError, VerifyError};
pub use sign::AccessToken;
pub use token::{UntrustedToken, VerifiedToken};
pub use verify::Verifier;
