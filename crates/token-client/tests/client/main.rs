//! The client against a server that answers as each test says.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test suite: it fails by panicking"
)]

#[cfg(all(feature = "reqwest-middleware", feature = "tower"))]
mod dpop;
#[cfg(all(feature = "reqwest-middleware", feature = "tower"))]
mod middleware;
mod support;
mod tokens;
