//! Deletes expired sessions, once or for as long as the application runs.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use rand::RngExt as _;
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use token_core::{PRODUCT, UnixTime};
use tracing::warn;

use super::SessionManager;
use crate::clock::ClockWatch;
use crate::erased::StoreError;
use crate::event::EventKind;

/// How many sessions one call deletes at most: others wait for some 10 ms.
const BATCH: u32 = 1000;
/// The pause between batches, in which others have the store.
const PAUSE: Duration = Duration::from_millis(50);
/// The shortest time between two rounds, and the longest.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// The most that one round deletes; what is left waits for the next.
const BATCHES: u32 = 100;

impl SessionManager {
    /// Deletes at most `limit` sessions that expired or were ended long enough ago, and returns how
    /// many. Call it now and then; safe on many nodes at once.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be asked.
    pub async fn delete_expired(&self, limit: u32) -> Result<u64, StoreError> {
        self.purge(limit, self.now()).await
    }

    async fn purge(&self, limit: u32, now: UnixTime) -> Result<u64, StoreError> {
        self.call("purge", || self.inner.store.purge(now, limit))
            .await
    }

    /// Deletes expired sessions about each `interval` (1 second to 1 day; anything else is taken for
    /// the nearer of the two), until `stop` completes: spawn it on each node. Nodes take turns by
    /// chance and do not hinder each other; each batch is at most 1,000 sessions. It stops between
    /// two batches, and dropping it is safe too. For an hour after the clock of the node has jumped ahead it deletes
    /// nothing: if the clock is wrong, sessions of everybody seem to have expired.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use token_session::SessionManager;
    /// # async fn run(manager: SessionManager) {
    /// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    /// let deletion = tokio::spawn(manager.clone().delete_expired_continuously(
    ///     Duration::from_secs(60),
    ///     async { drop(stopped.await) },
    /// ));
    /// // … serve …
    /// drop(stop);
    /// deletion.await.expect("it does not panic");
    /// # }
    /// ```
    pub async fn delete_expired_continuously(
        self,
        interval: Duration,
        stop: impl Future<Output = ()>,
    ) {
        let interval = interval.clamp(SHORTEST, LONGEST);
        let mut stop = pin!(stop);
        let mut clock = ClockWatch::new(self.now());
        let mut trusted = true;
        loop {
            // Nodes that started together do not work together.
            let pause = interval.mul_f64(UnwrapErr(SysRng).random_range(0.5..=1.5));
            tokio::select! {
                () = &mut stop => return,
                () = tokio::time::sleep(pause) => {}
            }
            // Here, since each node deletes, and not each has a feed to follow.
            self.show_gauges();
            let mut sessions = 0;
            for _ in 0..BATCHES {
                let now = self.now();
                let trusts = clock.trusts(now);
                if !trusts {
                    if std::mem::replace(&mut trusted, trusts) {
                        warn!(target: PRODUCT, %now, "the clock has jumped ahead; nothing is deleted for an hour");
                    }
                    break;
                }
                trusted = trusts;
                // A batch that has begun is finished: the store works on it anyway.
                match self.purge(BATCH, now).await {
                    Ok(deleted) => {
                        sessions += deleted;
                        if deleted < u64::from(BATCH) {
                            break;
                        }
                    }
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        warn!(target: PRODUCT, error, "expired sessions could not be deleted");
                        break;
                    }
                }
                tokio::select! {
                    () = &mut stop => {
                        self.report_deleted(sessions);
                        return;
                    }
                    () = tokio::time::sleep(PAUSE) => {}
                }
            }
            self.report_deleted(sessions);
        }
    }

    fn report_deleted(&self, sessions: u64) {
        if sessions > 0 {
            self.report_node(EventKind::Purged { sessions });
        }
    }
}
