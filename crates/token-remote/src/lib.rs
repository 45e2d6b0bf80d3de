//! Access tokens in another service: the keys that their issuer publishes, kept fresh, and its
//! word on revocation.
//!
//! ```no_run
//! use token_core::NoClaims;
//! use token_remote::{RemoteError, RemoteJwks};
//!
//! # async fn f(bearer: &str) -> Result<(), Box<dyn std::error::Error>> {
//! // Once, at start. The address of the keys comes from the issuer's metadata (RFC 8414).
//! let keys = RemoteJwks::builder("https://id.example".parse()?, "https://api.example".parse()?)
//!     .build()?;
//! keys.fetch().await?;
//!
//! // At each request.
//! match keys.verify::<NoClaims>(bearer).await {
//!     Ok(token) => println!("{} is calling", token.claims().subject),
//!     Err(RemoteError::Invalid(_)) => { /* 401 */ }
//!     Err(_) => { /* 503: the issuer was never reached, or too long ago */ }
//! }
//! # Ok(()) }
//! ```
//!
//! - [`RemoteJwks`] fetches the JWK set, and verifies with the last good one.
//! - [`RemoteIssuer`] does the same for tokens of an issuer that does not use this library.
//! - [`Introspection`] asks the issuer whether a token is still good ([RFC 7662]), for what
//!   must not wait until the token expires.
//!
//! Nothing is asked that the application did not name: no redirect is followed, and the keys
//! must stand at the issuer's own origin. Not here: what a token must be
//! ([`token_core::access`]), sessions and stores.
//!
//! [RFC 7662]: https://www.rfc-editor.org/rfc/rfc7662

mod address;
mod build_error;
mod builder;
mod cache_control;
mod fetch;
mod fetching;
mod introspection;
mod issuer;
mod issuer_builder;
mod keeper;
mod remote;

pub use address::AddressError;
pub use build_error::BuildError;
pub use builder::RemoteJwksBuilder;
pub use fetch::FetchError;
pub use introspection::Introspection;
pub use issuer::RemoteIssuer;
pub use issuer_builder::RemoteIssuerBuilder;
pub use keeper::RemoteError;
pub use remote::RemoteJwks;
