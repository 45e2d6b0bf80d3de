//! Black-box tests of the example servers: the built program, real HTTP, real files, real time.
//!
//! Nothing here depends on the library. Each scenario takes the name of a program; [`both`] runs it
//! against both demos and checks that they give the same answers. `tests/suite.rs` lists them all.
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
pub mod patience;
pub mod reply;
pub mod scenario;
pub mod server;
pub mod token;

mod document;
mod forge;
#[path = "../../token-core/tests/support/software_key.rs"]
mod software_key;
mod transcript;

use std::panic::resume_unwind;
use std::thread;

use crate::transcript::Transcript;

/// The demos. Each scenario runs against both, side by side.
const PROGRAMS: [&str; 2] = ["demo-axum", "demo-actix"];

/// Runs a scenario against both demos and compares their answers: status, body and header fields,
/// except `date`, the order and case of fields, and random values.
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
