//! Keeps a program logged in: it renews short-lived access tokens before they expire, once for all tasks and
//! processes, and never gives up a session because the server could not be asked.
//!
//! ```no_run
//! use token_client::{Client, TokenError};
//!
//! # async fn f() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder("https://app.example/auth")
//!     .file("/var/lib/notes/tokens.json") // default: in memory
//!     .build()?;
//! client.login("alice", "wonderland").await?;
//!
//! // At each request.
//! match client.access_token().await {
//!     Ok(token) => { /* send `Authorization: Bearer` and token.secret() */ }
//!     Err(TokenError::LoginRequired { reason }) => { /* log in again */ }
//!     Err(TokenError::Unavailable { retry_at, .. }) => { /* the session lives: later */ }
//!     Err(error) => { /* the settings or the disk: `error` says what to do */ }
//! }
//!
//! client.logout().await?;
//! # Ok(()) }
//! ```
//!
//! - [`Client`] logs in, gives out tokens and logs out. [`ClientBuilder`] has its settings.
//! - [`TokenError`], [`LoginError`] and [`LogoutError`] tell a refusal from a server that could not be asked.
//!
//! # What it does
//!
//! - A token is renewed when 20 % of its life is left. Lifetimes are durations that count from the moment at which the
//!   request was sent, by the clock of this machine; the server's clock does not matter. If the clock of this
//!   machine jumps, the token is still used, and renewed at once.
//! - Each process has at most one renewal in flight. Processes with one file take turns by a lock of the operating
//!   system, which a killed process does not keep; after 8 s they go on without it.
//! - An answer is stored, durably, before anybody gets its token. An answer that was lost is asked for again within half
//!   of the server's grace, because only within the grace does the server still recognise the old token. 502 and 504
//!   count as lost, and the rest of the grace is stronger than `Retry-After`.
//! - After a failure the pause grows to 60 s, and to 5 minutes if the server says that the request is wrong.
//!   `Retry-After` is added to it, and no pause is longer than an hour. Only `invalid_grant` ends the session.
//!
//! - With [`ClientBuilder::dpop`] each login makes a key, and the tokens are worth nothing without it (RFC 9449). The key
//!   is kept where the tokens are.
//!
//! It speaks to the routes of this project's servers, in the transport `header`, and to nobody else: no redirect
//! is followed. The web client follows the same rules in a browser.
//!
//! # Features
//!
//! None is on by default.
//!
//! | feature | what it adds |
//! |---|---|
//! | `keyring` | `ClientBuilder::keyring`: tokens in the keyring of the system |
//! | `reqwest-middleware` | `TokenMiddleware`: adds tokens to the requests of a `reqwest` client |
//! | `tower` | `TokenLayer`: the same for an HTTP client that is a `tower` service |

mod address;
#[cfg(any(feature = "reqwest-middleware", feature = "tower"))]
mod attach;
#[cfg(any(feature = "reqwest-middleware", feature = "tower"))]
mod attempt;
mod build_error;
mod builder;
mod client;
mod clock;
mod dpop;
mod endpoint;
mod error;
#[cfg(feature = "tower")]
mod layer;
mod machine;
#[cfg(feature = "reqwest-middleware")]
mod middleware;
mod renewal;
mod shared;
mod store;

pub use build_error::BuildError;
pub use builder::ClientBuilder;
pub use client::Client;
pub use dpop::Proof;
pub use error::{LoginError, LogoutError, TokenError};
#[cfg(feature = "tower")]
pub use layer::{RequestError, TokenLayer, TokenService};
pub use machine::AccessToken;
#[cfg(feature = "reqwest-middleware")]
pub use middleware::TokenMiddleware;
pub use store::StoreError;

/// What log lines are filed under, as in the other crates of the project.
const PRODUCT: &str = "hallpass";
