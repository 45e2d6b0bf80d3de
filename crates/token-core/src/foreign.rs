//! Tokens of one other issuer: an identity provider, a cloud, a cluster.
//!
//! A [`ForeignVerifier`] turns an [`UntrustedToken`](crate::UntrustedToken) into a [`ForeignToken`]. It
//! reads tokens with the same strict code as [`Verifier`](crate::Verifier): form, header, key, signature,
//! JSON, times. What differs from issuer to issuer is in a [`Profile`], and nothing else is negotiable.
//! There is a profile for each of the usual issuers, and [`Profile::RFC9068`] to start your own from.
//!
//! A foreign token has no session here that could be ended, renewed or listed, so it is a type of its own
//! and never passes for a token of ours:
//!
//! ```compile_fail,E0308
//! fn sessions_of(token: token_core::VerifiedToken) {}
//!
//! fn handler(token: token_core::foreign::ForeignToken) {
//!     sessions_of(token);
//! }
//! ```
//!
//! Nor does a token of ours pass for a foreign one: see [`VerifyError::HasSession`].
//!
//! [`VerifyError::HasSession`]: crate::VerifyError::HasSession

pub(crate) mod builder;
pub(crate) mod claims;
pub(crate) mod keys;
mod presets;
pub(crate) mod profile;
pub(crate) mod read;
pub(crate) mod token;
pub(crate) mod verify;

pub use crate::types::name::ForeignId;
pub use builder::ForeignVerifierBuilder;
pub use claims::ForeignClaims;
pub use keys::ForeignKeys;
pub use profile::{Discovery, Profile};
pub use token::ForeignToken;
pub use verify::ForeignVerifier;
