//! How long a test waits.

use std::thread;
use std::time::{Duration, Instant};

/// How long a busy machine may take for what an idle one does at once.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Waits until `holds` returns true, for at most [`PATIENCE`].
///
/// # Panics
/// If it does not in that time.
#[track_caller]
pub fn soon(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "timed out waiting until {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
