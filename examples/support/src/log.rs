//! The log: one line for each event, on standard error.

use std::io::{self, IsTerminal as _};

use tracing::debug;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Starts the log. It has the level `info` and above, unless the variable `RUST_LOG` asks for other
/// levels or targets, as in `info,hallpass=debug`.
pub fn init() {
    let asked = std::env::var("RUST_LOG").ok();
    let asked = asked.and_then(|asked| asked.parse().ok());
    let filter = asked.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let lines = fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false);
    tracing_subscriber::registry()
        .with(lines)
        .with(filter)
        .init();
}

/// Logs an answered request. `RUST_LOG=info,example_support=debug` shows it. The query is left out of
/// the path, since it may contain a token.
pub fn request(method: &str, path: &str, status: u16) {
    debug!(%method, %path, status, "request");
}
