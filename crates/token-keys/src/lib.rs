//! The keys of a server: in a file that its nodes share, or in an environment variable; replaced on
//! schedule while the server runs.
//!
//! A [`KeySource`] says where they are. [`KeySource::open`] reads them, and makes the file if there is
//! none. [`Keys::rings`] gives the rings for a [`TokenIssuer`](token_core::TokenIssuer). A [`KeyKeeper`]
//! then publishes new keys when they are due, and takes over what another node has written.
//!
//! ```
//! use std::time::Duration;
//!
//! use token_core::{Audience, Issuer, Policy, TokenIssuer};
//! use token_keys::{KeyKeeper, KeySource, Rotations};
//! use token_session::clock::{Clock as _, SystemClock};
//! use token_session::{MemoryStore, SessionManager};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("keys.json");
//! # let path = path.to_str().ok_or("a path")?;
//! let source: KeySource = path.parse()?; // such as "/var/lib/shop/keys.json", or "env:SHOP_KEYS"
//! let policy = Policy::default();
//! // A new key every 30 days. Other services may cache the key set for 5 minutes.
//! let (period, max_age) = (Duration::from_secs(30 * 86_400), Duration::from_secs(300));
//! let rotations = Rotations::new(&policy, period, max_age)?;
//!
//! let now = SystemClock.now();
//! let keys = source.open(None, Some(&rotations), now)?;
//! let (access, refresh) = keys.rings(&rotations, now)?;
//! let issuer = TokenIssuer::builder(Issuer::new("https://shop.example")?, Audience::new("shop")?)
//!     .policy(policy)
//!     .build(access, refresh);
//! let manager = SessionManager::builder(MemoryStore::with_capacity(100_000), issuer).build()?;
//!
//! // Runs until it is dropped.
//! let keeper = KeyKeeper::new(source, keys, rotations).start(&manager);
//! let signs = keeper.reread().await?; // at a signal, say; `promote` and `remove` change keys
//! # assert_eq!(signs, *manager.issuer().access_keys.current().id());
//! # Ok(())
//! # }
//! ```
//!
//! # The text
//!
//! ```json
//! { "access":  [ { "published_at": 1700000000, "signs_from": 1700000000, "key": {private JWK} } ],
//!   "refresh": [ { "published_at": 1700000000, "signs_from": 1700000000, "kid": "…", "k": "…" } ] }
//! ```
//!
//! Times are seconds since 1970 and may be missing; of all keys whose `signs_from` has come the latest
//! signs. Where a JWK can stand, `{ "alg": "ES256", "pem": "-----BEGIN PRIVATE KEY-----\n…" }` may, with
//! a `kid` or without. A key that signs no more may be public. `k` is a secret of 32 bytes or more in base64url.
//!
//! `others` may stand beside the two: lists of access keys of other algorithms, each with the `clients` and the
//! `audiences` for which they sign ([`KeySource::sign_also_with`]):
//!
//! ```json
//! "others": [ { "clients": ["reports"], "audiences": [], "access": [ … ] } ]
//! ```
//!
//! Applications depend on the crate `hallpass`, in which this one is the module `keys` (feature `keys`).

mod error;
mod keeper;
mod keys;
mod others;
mod rotations;
mod source;
#[cfg(all(test, unix))]
mod tests;

pub use error::KeysError;
pub use keeper::{KeyKeeper, RunningKeeper};
pub use keys::Keys;
pub use rotations::Rotations;
pub use source::KeySource;
