//! SIGHUP: the keys are read again.

use hallpass::keys::RunningKeeper;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

/// Reads the keys again at each SIGHUP, as administrators expect of a server.
pub(crate) async fn reread_keys(keeper: RunningKeeper) {
    let mut hangup = match signal(SignalKind::hangup()) {
        Ok(hangup) => hangup,
        Err(error) => return warn!(%error, "SIGHUP cannot be waited for"),
    };
    while hangup.recv().await.is_some() {
        info!("SIGHUP: reading the keys again");
        if let Err(error) = keeper.reread().await {
            warn!(%error, "the keys cannot be used, and the old keys stay");
        }
    }
}
