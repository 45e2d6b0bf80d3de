//! Every table of the HTTP contract, against the routes and helpers, without a socket.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

mod adoption;
mod binding;
mod bound_connections;
mod broken_store;
mod browser;
mod clients;
mod custom_login;
mod custom_renewal;
mod dpop;
mod evidence;
#[cfg(feature = "remote")]
mod foreign;
mod hostile;
mod login;
mod logout;
#[cfg(all(feature = "adopt-actix-session", feature = "adopt-tower-sessions"))]
mod old_records;
#[cfg(feature = "openapi")]
mod openapi;
mod pending;
mod proof_verifier;
mod protected;
mod public;
mod racing_logout;
mod refresh;
mod refusals;
mod renewal;
mod server_session;
mod sessions;
#[path = "../../../token-core/tests/support/software_key.rs"]
mod software_key;
mod visitors;
mod world;
