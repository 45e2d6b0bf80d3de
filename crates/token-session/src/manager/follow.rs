//! Keeps the revocation view up to date: hears notices, sends heartbeats, reads again.
//!
//! Notices alone are not enough: a connection that died silently says nothing, and neither does a
//! quiet night. So each node sends heartbeats on the way that notices take, and counts its view as
//! complete only as long as its own come back; and what may have been missed is read again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use rand::{Rng as _, RngExt as _};
use token_core::PRODUCT;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{debug, warn};

use super::SessionManager;
use crate::erased::StoreError;
use crate::event::{Behind, EventKind};
use crate::feed::Feed;
use crate::metric::{self, Gauges};
use crate::store::{Heartbeat, Notice};

/// The pause before a failed reading is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// The shortest time between two heartbeats, or two readings, that are wanted at once: a connection
/// that breaks again and again must not become a load.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// How long a reading waits to know whether anything was changed elsewhere.
const CHANGED_PATIENCE: Duration = Duration::from_secs(1);
/// The time between readings while the view has no room: each of them reads everything.
const FULL_PAUSE: Duration = Duration::from_secs(30);

impl SessionManager {
    /// Reads what was ended lately into the revocation view. Await it once before the first
    /// request is served; until it has succeeded the view counts as behind.
    ///
    /// If notices come from other processes, it first waits for a heartbeat to come back. If none
    /// does within two and a half times the heartbeat's interval, the view is read and counts as
    /// behind until one does.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub async fn catch_up(&self) -> Result<(), StoreError> {
        // In this order nothing falls between: subscribe, see the subscription work, then read.
        let feed = &self.inner.feed;
        let mut notices = self.inner.store.subscribe();
        // Nothing was heard before this.
        feed.interrupt();
        let own = draw();
        if self.send_heartbeat(own).await? {
            let back = async {
                while let Ok(notice) = hear_one(feed, &mut notices).await {
                    if notice == Some(Notice::Heartbeat(own)) {
                        break;
                    }
                }
            };
            let patience = feed.timing.heartbeat_patience();
            if timeout(patience, back).await.is_err() {
                debug!(
                    target: PRODUCT,
                    "no heartbeat comes back; the view is read, and counts as behind"
                );
            }
        }
        self.read_revocations().await?;
        feed.keep_subscription(notices);
        Ok(())
    }

    /// Keeps the revocation view up to date for as long as it is polled: spawn it once, after
    /// [`catch_up`](Self::catch_up). Needed for [`RevocationCheck::Feed`](crate::RevocationCheck)
    /// alone. Dropped, it leaves nothing behind but a view that counts as behind.
    pub async fn follow_revocations(self) {
        /// Runs whether the task ends or is dropped.
        struct StopOnDrop<'a>(&'a SessionManager, AtomicBool);
        impl Drop for StopOnDrop<'_> {
            fn drop(&mut self) {
                let Self(manager, reported) = self;
                manager.inner.feed.stop_following();
                manager.show_feed(false);
                // Nobody is left who would.
                if reported.load(Ordering::Relaxed) {
                    manager.report_node(EventKind::FeedBehind(Behind::Interrupted));
                }
            }
        }
        let feed = &self.inner.feed;
        let notices = feed.start_following().unwrap_or_else(|| {
            let notices = self.inner.store.subscribe();
            feed.interrupt();
            notices
        });
        // Four tasks in one future: dropped together, they leave nothing that runs on.
        let stop = StopOnDrop(&self, AtomicBool::new(true));
        tokio::select! {
            // The store is gone, and this manager with it.
            () = hear_all(feed, notices) => {}
            () = self.send_heartbeats() => {}
            () = self.keep_reading() => {}
            () = self.report_changes(&stop.1) => {}
        }
    }

    /// Sends heartbeats, each at its time or when the way may be open again.
    async fn send_heartbeats(&self) {
        let feed = &self.inner.feed;
        loop {
            // A failure is not reported here: the view counts as behind soon, and that is.
            if let Err(error) = self.send_heartbeat(draw()).await {
                let error = &error as &dyn std::error::Error;
                debug!(target: PRODUCT, error, "a heartbeat could not be sent");
            }
            sleep(SHORTEST_PAUSE).await;
            tokio::select! {
                () = sleep(jitter(feed.timing.heartbeat_interval)) => {}
                () = feed.heartbeat_wanted.notified() => {}
            }
        }
    }

    /// Sends one heartbeat; whether notices leave this process at all.
    async fn send_heartbeat(&self, heartbeat: Heartbeat) -> Result<bool, StoreError> {
        let feed = &self.inner.feed;
        feed.sends(heartbeat, self.now());
        let accepted = self
            .call("heartbeat", || self.inner.store.heartbeat(heartbeat))
            .await?;
        feed.sent(heartbeat, accepted);
        Ok(accepted)
    }

    /// Reads again at each interval, and when something may have been missed.
    async fn keep_reading(&self) {
        let feed = &self.inner.feed;
        let mut pause = Duration::ZERO;
        loop {
            tokio::select! {
                () = sleep(pause) => {}
                () = feed.reading_wanted.notified() => {}
            }
            let interval = feed.timing.reading_interval;
            pause = match self.read_revocations().await {
                Ok(()) if feed.is_full() => interval.max(FULL_PAUSE),
                Ok(()) if feed.is_complete(self.now()) => jitter(interval),
                // As long as notices may not come, only reading brings what was ended.
                Ok(()) => RETRY_PAUSE,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    warn!(
                        target: PRODUCT,
                        error,
                        "the sessions that other nodes have ended could not be read"
                    );
                    RETRY_PAUSE
                }
            };
            sleep(SHORTEST_PAUSE).await;
        }
    }

    async fn read_revocations(&self) -> Result<(), StoreError> {
        let feed = &self.inner.feed;
        let reading = feed.begin_reading(self.now());
        let since = reading.since;
        let ended = self
            .call("revocations", || self.inner.store.revocations(since))
            .await?;
        if feed.sessions().is_on() && feed.is_polled() {
            // Before the view counts as complete once more, and with it what is remembered. A store that
            // cannot say may have changed; the view of what has ended does not depend on that.
            let changed = self.call("changed_elsewhere", || self.inner.store.changed_elsewhere());
            let changed = timeout(CHANGED_PATIENCE, changed).await;
            if !matches!(changed, Ok(Ok(false))) {
                feed.sessions().clear();
            }
        }
        feed.finish_reading(&reading, ended);
        Ok(())
    }

    /// Reports each change between live and behind, once. `reported` is what was said last.
    async fn report_changes(&self, reported: &AtomicBool) {
        let feed = &self.inner.feed;
        loop {
            let until = feed.live_until();
            let silent = until.is_some() && !feed.is_complete(self.now());
            if silent {
                // No heartbeat came back in time: notices may have been lost like it, also if the
                // next one comes.
                feed.interrupt();
            }
            let live = feed.is_complete(self.now());
            self.show_feed(live);
            if live != reported.load(Ordering::Relaxed) {
                self.report_node(if live {
                    EventKind::FeedLive
                } else if feed.is_full() {
                    EventKind::FeedBehind(Behind::Full)
                } else if silent {
                    EventKind::FeedBehind(Behind::Silent)
                } else {
                    EventKind::FeedBehind(Behind::Interrupted)
                });
                if !live {
                    // Notices of what is ended meanwhile may not come: it is read instead.
                    feed.reading_wanted.notify_one();
                }
                reported.store(live, Ordering::Relaxed);
            }
            // Not before the instant has passed; now and then in any case, for the gauges.
            let next = Instant::now() + feed.timing.heartbeat_interval;
            let expiry = until
                .filter(|_| live)
                .map(|at| at + Duration::from_millis(1));
            tokio::select! {
                () = feed.changed.notified() => {}
                () = sleep_until(expiry.map_or(next, |at| at.min(next))) => {}
            }
        }
    }

    /// Shows operators whether the revocation view is complete, and the rest of the gauges.
    fn show_feed(&self, live: bool) {
        metric::feed(live, self.inner.feed.len());
        self.show_gauges();
    }

    /// Shows operators what is remembered and who waits, which does not depend on the feed.
    pub(super) fn show_gauges(&self) {
        Gauges {
            waiting: self.inner.feed.waiters.len(),
            cache: self.token_cache_counts(),
            sessions: self.session_cache_counts(),
        }
        .show();
    }
}

async fn hear_all(feed: &Feed, mut notices: Receiver<Notice>) {
    while hear_one(feed, &mut notices).await.is_ok() {}
}

/// Takes one notice into the view; an error if there will be none any more.
async fn hear_one(
    feed: &Feed,
    notices: &mut Receiver<Notice>,
) -> Result<Option<Notice>, RecvError> {
    match notices.recv().await {
        Ok(notice) => {
            match notice {
                Notice::Changed(changed) => feed.forget_changed(changed),
                Notice::Ended(ended) => feed.insert(ended),
                Notice::Heartbeat(heartbeat) => feed.hears(heartbeat),
                // What was sent in between has not come, heartbeats among it.
                Notice::Gap | Notice::Resumed => feed.interrupt(),
            }
            Ok(Some(notice))
        }
        Err(RecvError::Lagged(missed)) => {
            debug!(
                target: PRODUCT,
                missed, "more notices came than were read; reading what was ended again"
            );
            feed.interrupt();
            Ok(None)
        }
        Err(closed) => Err(closed),
    }
}

/// A little less than the interval, so that nodes do not act all at once.
fn jitter(interval: Duration) -> Duration {
    interval.mul_f64(UnwrapErr(SysRng).random_range(0.8..=1.0))
}

fn draw() -> Heartbeat {
    let mut bytes = [0; 16];
    UnwrapErr(SysRng).fill_bytes(&mut bytes);
    Heartbeat::from_bytes(bytes)
}
