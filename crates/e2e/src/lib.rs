//! Black-box tests of the example servers: the built program, real HTTP, real files, real time.
//!
//! Nothing here knows the library. Each scenario takes the name of a program; [`both`] runs it
//! against every example and holds them to the same answers. `tests/suite.rs` lists them all.
//!
//! The programs must have been built (`cargo xtask test` does that first).

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test suite: it fails by panicking"
)]

pub mod browser;
pub mod client;
pub mod scenario;
pub mod server;

mod document;
mod forge;
mod transcript;

use std::panic::resume_unwind;
use std::thread;
use std::time::{Duration, Instant};

use crate::transcript::Transcript;

/// How long a busy machine may take to what an idle one does in a moment.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Waits until it holds, for [`PATIENCE`] at most.
///
/// # Panics
/// Where it never does.
#[track_caller]
pub fn soon(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// The examples. Each scenario runs against both, side by side.
const PROGRAMS: [&str; 2] = ["demo-axum", "demo-actix"];

/// Runs a scenario against both examples and compares every answer of the two: status, header
/// fields but for `date`, order and case, and body, apart from what is random.
pub fn both(scenario: fn(&str)) {
    let runs = PROGRAMS.map(|program| {
        // So that a failure names the program.
        let thread = thread::Builder::new().name(program.to_owned());
        let run = move || {
            scenario(program);
            Transcript::current()
        };
        thread.spawn(run).unwrap()
    });
    let results = runs.map(thread::JoinHandle::join);
    let [axum, actix] = results.map(|result| result.unwrap_or_else(|panic| resume_unwind(panic)));
    axum.compare(&actix, PROGRAMS);
}
