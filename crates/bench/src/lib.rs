//! How fast it is, measured so that anyone can repeat it: `cargo xtask bench`.
//!
//! - [`operation`] has what is measured: each operation as ours, as the bare primitive that is its
//!   limit, and as people do it today.
//! - [`rounds`] times them, interleaved, so that whatever else the machine does falls on all alike.
//! - [`growth`] has what the cost grows with, [`requests`] whole servers under load.
//! - `stores` has the session stores on real servers (feature `stores`).
//! - [`report`] and [`chart`] write what came out.
//!
//! Allocations are counted by a program of their own (`src/bin/allocations.rs`): a counting
//! allocator would slow down those who allocate, and that would not be fair.

pub mod chart;
pub mod counted;
pub mod growth;
pub mod operation;
pub mod peer;
pub mod report;
pub mod requests;
pub mod rounds;
#[cfg(feature = "stores")]
pub mod stores;
pub mod world;
