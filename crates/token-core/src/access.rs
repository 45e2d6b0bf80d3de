//! Access tokens: what they say, how they are signed, and the one way in for those of others.
//!
//! A [`Verifier`] turns an [`UntrustedToken`] into a [`VerifiedToken`], or names the rule that it breaks.
//! Tokens are issued by [`TokenIssuer`](crate::TokenIssuer), from a committed session.

pub(crate) mod bounds;
pub(crate) mod builder;
pub(crate) mod claims;
pub(crate) mod custom;
pub(crate) mod error;
pub(crate) mod read;
pub(crate) mod sign;
pub(crate) mod token;
pub(crate) mod verify;

pub use crate::jose::error::FormError;
pub use crate::jose::json::JsonError;
pub use builder::{VerifierBuilder, VerifierError};
pub use claims::{AccessClaims, NoClaims};
pub use custom::CustomClaims;
pub use error::{ClaimsError, VerifyError};
pub use sign::AccessToken;
pub use token::{UntrustedToken, VerifiedToken};
pub use verify::Verifier;
