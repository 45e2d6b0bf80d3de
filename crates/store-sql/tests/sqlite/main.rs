//! What is particular to SQLite, and the contract suite on it.

#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests fail loudly, and children report on standard output"
)]

mod contract;
mod durability;
mod faults;
mod processes;
mod schema;
mod size;
mod together;

#[path = "../support/sessions.rs"]
mod sessions;

use tempfile::TempDir;

/// A folder in the target directory, which `cargo clean` empties where a test leaves one.
fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}
