//! Faults under load. Clients know what they were told; afterwards nobody who retried within
//! the grace is logged out, nothing that was ended lives, no session has two branches, no
//! request hung longer than its time-out, and nobody was refused for a fault.
//!
//! All limits of time are about a fifth of the defaults. A server stands still for four times as
//! long as a request may take, and so would a request that waited for it.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests fail loudly"
)]

mod client;
mod load;
mod postgres;
mod redis;
mod sqlite;
