//! Faults under load. Clients know what they were told; afterwards nobody who retried within
//! the grace is logged out, nothing that was ended lives, no session has two branches, no
//! request hung longer than its time-out, and nobody was refused for a fault.
//!
//! All limits of time are a fifth of the defaults, and so is the time that a server stands
//! still.

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
