//! When to stop.

use std::future::pending;
use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info};

/// Waits until the process is asked to end: SIGTERM from a supervisor, SIGINT from a terminal.
pub async fn requested() {
    match signalled().await {
        Ok(name) => info!("{name}: finishing the requests that have begun"),
        // Then only SIGKILL ends it, which loses nothing either.
        Err(error) => {
            error!(%error, "signals cannot be waited for");
            pending::<()>().await;
        }
    }
}

async fn signalled() -> io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}
