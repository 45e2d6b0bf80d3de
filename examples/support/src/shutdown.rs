//! When the server stops.

use std::future::pending;
use std::io;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};

/// How long requests that have begun may take. Supervisors kill the process after 10 seconds (Docker)
/// to 90 (systemd).
pub const LONGEST: Duration = Duration::from_secs(8);

/// Waits until the process is asked to end: SIGTERM from a supervisor, SIGINT from a terminal.
pub async fn requested() {
    match signalled().await {
        Ok(name) => info!("{name}: finishing the requests that have begun"),
        // Then only SIGKILL ends the process, which loses nothing either.
        Err(error) => {
            error!(%error, "signals cannot be waited for");
            pending::<()>().await;
        }
    }
}

/// The same without a log line, for everything that has to end with the server.
pub async fn begun() {
    if signalled().await.is_err() {
        pending::<()>().await;
    }
}

/// Waits until the requests that have begun have had enough time: a client that sends a byte a minute
/// must not keep the server from ending.
pub async fn overdue() {
    begun().await;
    tokio::time::sleep(LONGEST).await;
    warn!("some requests are not answered yet; they are aborted");
}

async fn signalled() -> io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}
