//! The keys of a server: those that sign access tokens, and those of refresh tokens, each with
//! its times.
//!
//! ```json
//! { "access":  [ { "published_at": 1700000000, "signs_from": 1700000000, "key": {private JWK} } ],
//!   "refresh": [ { "published_at": 1700000000, "signs_from": 1700000000, "kid": "…", "k": "…" } ] }
//! ```
//! Times may be missing; of all whose `signs_from` has come the latest signs. Where a JWK can
//! stand, also `{ "alg": "ES256", "pem": "-----BEGIN PRIVATE KEY-----\n…" }` may. A key that
//! signs no more may be public.

mod error;
mod set;
mod source;
#[cfg(test)]
mod tests;

pub use error::KeysError;
pub use set::Keys;
pub use source::{KeySource, Stamp};
