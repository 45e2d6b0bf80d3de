//! Tasks that run beside the requests and end with the server.

use std::sync::Arc;
use std::time::Duration;

use hallpass::SessionManager;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::warn;

use crate::limits::Limits;
use crate::metrics::Metrics;

/// About how often expired sessions are deleted.
const PURGE: Duration = Duration::from_mins(1);
/// How long tasks may take to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tasks of the server.
#[derive(Debug)]
pub struct Background {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Background {
    /// Follows the feed if the flags say so, deletes expired sessions, and tidies limits and metrics.
    pub(crate) fn start(
        manager: &SessionManager,
        follow: bool,
        limits: Option<Arc<Limits>>,
        metrics: Metrics,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        if follow {
            let mut stopped = stopped.clone();
            let following = manager.clone().follow_revocations();
            tasks.spawn(async move {
                tokio::select! {
                    () = following => {}
                    _ = stopped.wait_for(|stop| *stop) => {}
                }
            });
        }
        let mut told = stopped.clone();
        let end = async move { drop(told.wait_for(|stop| *stop).await) };
        tasks.spawn(manager.clone().delete_expired_continuously(PURGE, end));
        tasks.spawn(tidy(limits, metrics, stopped));
        Self { stop, tasks }
    }

    /// Asks all tasks to end, and waits for them.
    pub async fn end(mut self) {
        self.stop.send_replace(true);
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(PATIENCE, ended).await.is_err() {
            warn!("a task does not end; it is aborted");
        }
    }
}

/// Drops from memory what is no longer needed.
async fn tidy(limits: Option<Arc<Limits>>, metrics: Metrics, mut stopped: watch::Receiver<bool>) {
    let mut time = interval(Duration::from_secs(5));
    time.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = time.tick() => {}
            _ = stopped.wait_for(|stop| *stop) => return,
        }
        if let Some(limits) = &limits {
            limits.forget_idle();
        }
        metrics.tidy();
    }
}
