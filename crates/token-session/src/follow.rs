//! Keeps the revocation view up to date: hears notices, sends heartbeats, reads again.

use std::time::Duration;

use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use rand::{Rng as _, RngExt as _};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{debug, warn};

use crate::erased::StoreError;
use crate::event::{Behind, EventKind};
use crate::feed::Feed;
use crate::manager::SessionManager;
use crate::store::{Heartbeat, Notice};

/// The pause before a failed reading is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// The shortest time between two heartbeats, or two readings, that are wanted at once.
const BREATH: Duration = Duration::from_millis(50);
/// The time between readings while the view has no room: each of them reads everything.
const FULL_PAUSE: Duration = Duration::from_secs(30);

/// Reads what was ended lately, in such an order that nothing falls between: subscribes, waits
/// for a heartbeat to come back, then reads.
pub(crate) async fn catch_up(manager: &SessionManager) -> Result<(), StoreError> {
    let feed = manager.feed();
    let mut notices = manager.subscribe();
    // Nothing was heard before this.
    feed.interrupt();
    let own = draw();
    if send(manager, own).await? {
        let back = async {
            while let Ok(notice) = hear_one(feed, &mut notices).await {
                if notice == Some(Notice::Heartbeat(own)) {
                    break;
                }
            }
        };
        if timeout(feed.rhythm.told_patience(), back).await.is_err() {
            debug!("no heartbeat comes back; the view is read, and counts as behind");
        }
    }
    read(manager).await?;
    feed.keep(notices);
    Ok(())
}

/// Follows the store's endings for as long as it is polled.
pub(crate) async fn follow(manager: SessionManager) {
    /// However this ends.
    struct Leave<'a>(&'a Feed);
    impl Drop for Leave<'_> {
        fn drop(&mut self) {
            self.0.leave();
        }
    }
    let feed = manager.feed();
    let notices = feed.follow().unwrap_or_else(|| {
        let notices = manager.subscribe();
        feed.interrupt();
        notices
    });
    let _leave = Leave(feed);
    tokio::select! {
        // The store is gone, and this manager with it.
        () = hear(feed, notices) => {}
        () = beat(&manager) => {}
        () = keep_reading(&manager) => {}
        () = watch(&manager) => {}
    }
}

async fn hear(feed: &Feed, mut notices: Receiver<Notice>) {
    while hear_one(feed, &mut notices).await.is_ok() {}
}

/// Heeds one notice; an error where there will be none any more.
async fn hear_one(
    feed: &Feed,
    notices: &mut Receiver<Notice>,
) -> Result<Option<Notice>, RecvError> {
    match notices.recv().await {
        Ok(notice) => {
            match notice {
                Notice::Ended(ended) => feed.insert(ended),
                Notice::Heartbeat(heartbeat) => feed.hears(heartbeat),
                // What was sent in between has not come, heartbeats among it.
                Notice::Gap | Notice::Resumed => feed.interrupt(),
            }
            Ok(Some(notice))
        }
        Err(RecvError::Lagged(missed)) => {
            debug!(missed, "the feed lagged; reading again");
            feed.interrupt();
            Ok(None)
        }
        Err(closed) => Err(closed),
    }
}

/// Sends heartbeats, each at its time or when the way may be open again.
async fn beat(manager: &SessionManager) {
    let feed = manager.feed();
    loop {
        if let Err(error) = send(manager, draw()).await {
            debug!(error = &error as &dyn std::error::Error, "no heartbeat");
        }
        sleep(BREATH).await;
        tokio::select! {
            () = sleep(jitter(feed.rhythm.heartbeat)) => {}
            () = feed.heartbeat_wanted.notified() => {}
        }
    }
}

async fn send(manager: &SessionManager, heartbeat: Heartbeat) -> Result<bool, StoreError> {
    let feed = manager.feed();
    feed.sends(heartbeat);
    let taken = manager.heartbeat(heartbeat).await?;
    feed.sent(heartbeat, taken);
    Ok(taken)
}

/// Reads again at each interval, and when something may have been missed.
async fn keep_reading(manager: &SessionManager) {
    let feed = manager.feed();
    let mut pause = Duration::ZERO;
    loop {
        tokio::select! {
            () = sleep(pause) => {}
            () = feed.reading_wanted.notified() => {}
        }
        pause = match read(manager).await {
            Ok(()) if feed.is_full() => feed.rhythm.catch_up.max(FULL_PAUSE),
            Ok(()) if feed.is_live() => jitter(feed.rhythm.catch_up),
            // What the notices do not tell is read meanwhile.
            Ok(()) => PAUSE,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                warn!(error, "what was ended elsewhere cannot be read");
                PAUSE
            }
        };
        sleep(BREATH).await;
    }
}

async fn read(manager: &SessionManager) -> Result<(), StoreError> {
    let feed = manager.feed();
    let reading = feed.begin_reading(manager.now());
    let ended = manager.revocations(reading.since).await?;
    feed.finish_reading(&reading, ended);
    Ok(())
}

/// Reports each change between live and behind, once.
async fn watch(manager: &SessionManager) {
    let feed = manager.feed();
    let mut reported = true;
    loop {
        let until = feed.live_until();
        let silent = until.is_some() && !feed.is_live();
        if silent {
            // Whatever comes now, something may have been lost.
            feed.interrupt();
        }
        let live = feed.is_live();
        manager.show_feed(live);
        if live != reported {
            manager.report_node(if live {
                EventKind::FeedLive
            } else if feed.is_full() {
                EventKind::FeedBehind(Behind::Full)
            } else if silent {
                EventKind::FeedBehind(Behind::Silent)
            } else {
                EventKind::FeedBehind(Behind::Interrupted)
            });
            if !live {
                // What is told meanwhile may not come: it is read instead.
                feed.reading_wanted.notify_one();
            }
            reported = live;
        }
        // Not before the instant has passed; at times in any case, for the size of the view.
        let next = Instant::now() + feed.rhythm.heartbeat;
        let expiry = until
            .filter(|_| live)
            .map(|at| at + Duration::from_millis(1));
        tokio::select! {
            () = feed.changed.notified() => {}
            () = sleep_until(expiry.map_or(next, |at| at.min(next))) => {}
        }
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
