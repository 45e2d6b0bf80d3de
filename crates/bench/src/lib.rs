//! How fast it is, measured so that anyone can repeat it: `cargo xtask bench`.
//!
//! - [`operation`] has what is measured: each operation as ours, as the bare primitive that is its
//!   limit, and as other libraries do it.
//! - [`operations`] has every operation.
//! - [`rounds`] times them, interleaved, so that other load on the machine affects all of them alike.
//! - [`growth`] has what the cost grows with, [`requests`] whole servers under load.
//! - `load` is a load test as an operator would do it (feature `load`).
//! - `stores` has the session stores on real servers (feature `stores`).
//! - [`report`] compares what was measured with what is promised; the crate `figures` has the tables.
//!
//! Allocations are counted by a program of its own (`src/bin/allocations.rs`): in the same program the
//! counting allocator would slow down the ways that allocate.

pub mod counted;
pub mod growth;
#[cfg(feature = "load")]
pub mod load;
pub mod operation;
pub mod operations;
pub mod peer;
pub mod report;
pub mod requests;
pub mod rounds;
#[cfg(feature = "stores")]
pub mod stores;
pub mod world;
