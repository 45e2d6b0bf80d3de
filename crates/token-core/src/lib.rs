//! Sessions and JSON Web Tokens for web back ends: the pure core.
//!
//! It decides, and does nothing: no async, no clock, no source of entropy, no HTTP, no I/O. Time
//! and random bytes come in as arguments, and every rule is a function from values to a value.
//!
//! - Who is calling? [`verify`]: an [`UntrustedToken`] becomes a [`VerifiedToken`], or not.
//! - Who stays logged in? [`refresh`]: open a session, decide what a credential means, close it.
//! - What must a store do? [`change`]: the writes, their conditions, and the proof of a write.
//! - What leaves the server? [`issue`]: credentials, from a committed session and nothing else.
//! - With which keys? [`key`] and [`ring`] for access tokens, [`refresh_token`] for the others.
//!
//! Most applications want `token-session` (the driver) and an adapter for their framework, and
//! meet the types of this crate there. Read `docs/rotation.md` for the idea.
//!
//! ```
//! use std::time::Duration;
//! use token_core::session::{Change, Committed};
//! use token_core::types::BucketKey;
//! use token_core::TokenIssuer;
//! use token_core::session::Credentials;
//! use token_core::session::{self, Login};
//! use token_core::{RefreshKey, RefreshKeyRing};
//! use token_core::Entropy;
//! use token_core::{Authentication, Transport};
//! use token_core::session::{Device, Epoch};
//! use token_core::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # fn random() -> Entropy { static N: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(1);
//! #     Entropy::new([N.fetch_add(1, std::sync::atomic::Ordering::Relaxed); 64]) }
//! let now = UnixTime::from_secs(1_700_000_000)?;
//! let issuer = TokenIssuer {
//!     issuer: Issuer::new("https://id.example")?,
//!     audience: Audience::new("https://api.example")?,
//!     access_keys: KeyRing::new(SigningKey::generate(Algorithm::EdDSA, random())?),
//!     refresh_keys: RefreshKeyRing::new(RefreshKey::new(KeyId::new("r1")?, &[7; 32])?),
//!     policy: Policy::default(),
//! };
//! let TokenIssuer { policy, refresh_keys: keys, .. } = &issuer;
//!
//! // A login: the store inserts the row, and only then are there tokens.
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
//! let bucket = BucketKey::new(&[1; 32]).bucket(&login.subject);
//! let pending = session::open(login, bucket, policy, keys, now, random());
//! let row = pending.session().clone(); // the store's
//! let granted = pending.committed(Committed::assertion(row.clone()))?;
//! let Credentials::Tokens(pair) = issuer.issue(&granted, &row.scope, now, random())? else {
//!     unreachable!("the transport is `header`");
//! };
//!
//! // A request: public keys are enough.
//! let verifier = Verifier::builder(issuer.issuer.clone(), issuer.audience.clone())
//!     .keys(&issuer.access_keys)
//!     .build()?;
//! let token = UntrustedToken::parse(pair.access_token().secret())?;
//! let verified: VerifiedToken = verifier.verify(token, now)?;
//! assert_eq!(verified.claims().subject.as_str(), "alice");
//!
//! // A refresh: one conditional write, from the token alone.
//! let later = now + Duration::from_secs(240);
//! let text = pair.refresh_token().secret();
//! let claims = keys.verify(text, &issuer.issuer, &issuer.audience)?;
//! let pending = session::attempt(&claims, policy, keys, later, random())?;
//! let written = Change::Rotate(pending.rotation().clone()).apply(&row).expect("the row matches");
//! let next = pending.committed(Committed::assertion(written))?;
//! assert_eq!(next.session().generation.as_u64(), 1);
//! # Ok(()) }
//! ```

pub mod access;
pub mod jose;
pub mod keys;
pub mod schedule;
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
