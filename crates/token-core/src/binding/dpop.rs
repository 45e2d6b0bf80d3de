//! Proofs of possession ([RFC 9449](https://www.rfc-editor.org/rfc/rfc9449)): a signature for each request,
//! made with a key that the client keeps.
//!
//! An [`UntrustedProof`] becomes a [`VerifiedProof`] if it is what [`Expected`] says. That tells which key
//! made it, and nothing else: whether it is the right key is asked of the access token
//! ([`VerifiedToken::check_proof`](crate::VerifiedToken::check_proof)) or of the session
//! ([`Binding::check`](crate::binding::Binding::check)), and then whether the proof was used before
//! ([`UsedProofs`]).

mod error;
mod header;
mod htu;
mod known;
mod nonce;
mod payload;
mod proof;
mod used;

pub use error::ProofError;
pub use htu::{Target, TargetPart};
pub use known::KnownKeys;
pub use nonce::{Nonce, NonceKeys};
pub use proof::{Expected, MAX_AGE, MAX_AHEAD, UntrustedProof, VerifiedProof};
pub use used::{NotRemembered, ProofOwner, UsedProofs};

/// The signature algorithms of proofs, as metadata and challenges name them. `EdDSA` and `Ed25519`
/// ([RFC 9864](https://www.rfc-editor.org/rfc/rfc9864)) are the same here.
pub const ALGORITHMS: [&str; 3] = ["ES256", "EdDSA", "Ed25519"];
