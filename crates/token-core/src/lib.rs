//! Sessions and JSON Web Tokens for web back ends: the pure core.
//!
//! This crate decides and does nothing else. It has no async code, no clock, no source of entropy and no
//! I/O: the time and random bytes are arguments, and every rule is a function from values to a value. So
//! the same code runs behind axum and actix, on every store, and in tests that move time by hand.
//!
//! Most applications want the `hallpass` crate, which drives this one and has adapters for web frameworks.
//! Depend on `token-core` alone if you write a store or an adapter of your own, or if you only verify
//! access tokens.
//!
//! # Where to find what
//!
//! Each module stands on those before it:
//!
//! - [`types`]: identifiers, names, scopes, secrets and points in time.
//! - [`keys`]: keys and key rings, each key for exactly one algorithm.
//! - [`binding`]: sessions that are bound to a key of their client's.
//! - [`access`]: access tokens. A [`Verifier`] turns an [`UntrustedToken`] into a [`VerifiedToken`].
//! - [`foreign`]: tokens of other issuers.
//! - [`session`]: what a store keeps, what a presented credential means, and what leaves the server.
//! - [`adoption`]: sessions that take the place of those of another system.
//!
//! To learn how rotation works, read `docs/rotation.md`, then [`session`].
//!
//! # Example
//!
//! A login, a request with its access token, and a refresh. A real application has a store between the
//! decision and the tokens; here a variable stands in for it.
//!
//! ```
//! use std::time::Duration;
//! use token_core::session::rule::{self, Login};
//! use token_core::session::{Change, Committed, Credentials, Device, Epoch};
//! use token_core::types::Bucket;
//! use token_core::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # fn random() -> Entropy { static N: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(1);
//! #     Entropy::new([N.fetch_add(1, std::sync::atomic::Ordering::Relaxed); 64]) }
//! let now = UnixTime::from_secs(1_700_000_000)?;
//! let access_keys = KeyRing::new(SigningKey::generate(Algorithm::EdDSA, random())?);
//! let refresh_keys = RefreshKeyRing::new(RefreshKey::new(KeyId::new("r1")?, &[7; 32])?);
//! let issuer = TokenIssuer::builder("https://id.example".parse()?, "https://api.example".parse()?)
//!     .build(access_keys, refresh_keys);
//! let TokenIssuer { policy, refresh_keys: keys, .. } = &issuer;
//!
//! // A login. The store inserts the session, and only then are there tokens.
//! let login = Login {
//!     subject: Subject::new("alice")?,
//!     epoch: Epoch::default(),
//!     client_id: ClientId::new("web")?,
//!     transport: Transport::Header,
//!     scope: "notes:read".parse()?,
//!     authentication: Authentication::password(now),
//!     remember: false,
//!     claims: CustomClaims::default(),
//!     device: Device::default(),
//! };
//! let (session, pending) = rule::open(login, Bucket(0), policy, keys, now, random());
//! let stored = session; // by the store
//! let granted = pending.committed(Committed::assertion(stored.clone()))?;
//! let issued = issuer.issue(&granted, &stored.scope, now, random())?;
//! let Credentials::Tokens(pair) = issued.give_out(&granted)? else {
//!     unreachable!("the transport is `header`");
//! };
//!
//! // A request. Public keys are enough to verify its token.
//! let verifier = Verifier::builder(issuer.issuer.clone(), issuer.audience.clone())
//!     .keys(issuer.access_keys.verifying_keys())
//!     .build()?;
//! let token = UntrustedToken::parse(pair.access_token.secret())?;
//! let verified: VerifiedToken = verifier.verify(token, now)?;
//! assert_eq!(verified.claims().subject.as_str(), "alice");
//!
//! // A refresh: one conditional write, made from the token alone.
//! let later = now + Duration::from_secs(240);
//! let claims = keys.verify(pair.refresh_token.secret(), &issuer.issuer, &issuer.audience)?;
//! let (rotation, pending) = rule::attempt(&claims, policy, keys, later, random())?;
//! let written = Change::Rotate(rotation).apply(&stored).expect("the condition holds");
//! let next = pending.committed(Committed::assertion(written))?;
//! assert_eq!(next.session().generation.0, 1);
//! # Ok(()) }
//! ```

pub mod access;
pub mod adoption;
pub mod binding;
pub mod foreign;
mod jose;
pub mod keys;
pub mod session;
pub mod types;

pub use access::{
    AccessClaims, AccessToken, CustomClaims, NoClaims, UntrustedToken, VerifiedToken, Verifier,
    VerifyError,
};
pub use keys::{Algorithm, KeyRing, SigningKey, VerifyingKey};
pub use session::{
    Authentication, Policy, RefreshKey, RefreshKeyRing, RevokeReason, Session, TokenIssuer,
    Transport,
};
pub use types::{Audience, ClientId, Entropy, Issuer, KeyId, Scope, SessionId, Subject, UnixTime};

/// The name of the product, in the one place from which programs take it: the target of every log
/// line, the default prefix of keys in Redis, and the default schema in PostgreSQL.
pub const PRODUCT: &str = "hallpass";
