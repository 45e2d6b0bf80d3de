//! Deletes what is over, for as long as the application runs.

use std::pin::pin;
use std::time::Duration;

use rand::RngExt as _;
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use tracing::warn;

use crate::event::EventKind;
use crate::manager::SessionManager;

/// How many sessions one call deletes at most: others wait for some 10 ms.
const BATCH: u32 = 1000;
/// The pause between batches, in which others have the store.
const BREATH: Duration = Duration::from_millis(50);
/// The shortest time between two rounds, and the longest.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_hours(24);
/// The most that one round deletes; what is left waits for the next.
const BATCHES: u32 = 100;

/// Purges in rounds, until it is told to stop.
pub(crate) async fn keep(manager: SessionManager, every: Duration, stop: impl Future<Output = ()>) {
    let every = every.clamp(SHORTEST, LONGEST);
    let mut stop = pin!(stop);
    loop {
        // Nodes that started together do not work together.
        let pause = every.mul_f64(UnwrapErr(SysRng).random_range(0.5..=1.5));
        tokio::select! {
            () = &mut stop => return,
            () = tokio::time::sleep(pause) => {}
        }
        let mut sessions = 0;
        for _ in 0..BATCHES {
            // A batch that has begun is finished: the store works on it anyway.
            match manager.purge(BATCH).await {
                Ok(purged) => {
                    sessions += purged;
                    if purged < u64::from(BATCH) {
                        break;
                    }
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    warn!(error, "old sessions were not purged");
                    break;
                }
            }
            tokio::select! {
                () = &mut stop => {
                    report(&manager, sessions);
                    return;
                }
                () = tokio::time::sleep(BREATH) => {}
            }
        }
        report(&manager, sessions);
    }
}

fn report(manager: &SessionManager, sessions: u64) {
    if sessions > 0 {
        manager.report_node(EventKind::Purged { sessions });
    }
}
