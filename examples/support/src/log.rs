//! The log: one line an event, on standard error, so that standard output stays for programs.

use std::io::{self, IsTerminal as _};

use tracing::debug;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Starts the log. Informations and what is worse, unless the variable `RUST_LOG` says
/// otherwise.
pub fn init() {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .from_env_lossy();
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .with_env_filter(filter)
        .init();
}

/// Writes an answered request's line. `RUST_LOG=info,example_support=debug` shows them; the path
/// comes without its query, where somebody may have put a token.
pub fn request(method: &str, path: &str, status: u16) {
    debug!(%method, %path, status, "request");
}
