//! Faults under load. Clients know what they were told; afterwards nobody who retried within
//! the grace is logged out, nothing that was ended lives, no session has two branches, no
//! request hung longer than its time-out, and nobody was refused for a fault.
//!
//! All limits of time are about a fifth of the defaults. A phase lasts until its requests were
//! answered, or its fault was noticed, so that it is one on whatever machine.

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
#[cfg(target_os = "linux")]
mod power;
mod redis;
mod reshard;
mod sqlite;
