//! What tests of several crates share: real servers on free ports of the loopback, which end
//! with the test process, however that ends.
//!
//! The servers' programs must be installed; `cargo xtask test` sees to that.

#![expect(
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests fail loudly"
)]

#[cfg(target_os = "linux")]
pub mod disk;
pub mod log;
pub mod network;
pub mod pgbouncer;
pub mod postgres;
pub mod proxy;
pub mod redis;
pub mod slot;
pub mod tls;

mod port;

use std::thread;
use std::time::{Duration, Instant};

pub use port::free_port;

/// How long a server may take to its first answer, and a Cluster to agree. A Redis that was killed reads its whole
/// log first: minutes, if it has a million sessions.
const PATIENCE: Duration = Duration::from_mins(5);

/// Waits for something that another process does.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
