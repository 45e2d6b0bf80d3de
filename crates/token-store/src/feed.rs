//! Keeps the revocation view up to date, and knows whether it is.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use token_core::revocation::RevocationView;
use token_core::{SessionId, UnixTime};
use tokio::sync::broadcast::error::RecvError;
use tracing::{debug, error, warn};

use crate::erased::StoreError;
use crate::manager::SessionManager;
use crate::store::Ended;

/// How access tokens of ended sessions are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "the view, the store, or neither")]
pub enum RevocationCheck {
    /// By the view in memory, fed by the store: no store call a request.
    Feed(WhenBehind),
    /// Not at all: an access token lives to its end.
    None,
    /// By the store, at each request.
    #[default]
    Store,
}

/// What to do with an access token while the view may be incomplete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "believe the token, ask, or refuse")]
pub enum WhenBehind {
    /// Accept it: an ended session may be used until its access token expires.
    Accept,
    /// Ask the store, as long as the view is behind.
    #[default]
    AskStore,
    /// Answer 503 until the view has caught up.
    Refuse,
}

/// The view with what is known of its completeness.
#[derive(Debug)]
pub(crate) struct Feed {
    view: RevocationView,
    /// When everything up to then was read, in Unix seconds; 0: never.
    complete_until: AtomicU64,
    overflowed: AtomicBool,
    /// The view counts as behind when it was not caught up for this long.
    patience: Duration,
}

impl Feed {
    pub(crate) fn new(view: RevocationView, catch_up_interval: Duration) -> Self {
        Self {
            view,
            complete_until: AtomicU64::new(0),
            overflowed: AtomicBool::new(false),
            patience: catch_up_interval * 3 + Duration::from_secs(1),
        }
    }

    pub(crate) fn contains(&self, session: SessionId) -> bool {
        self.view.contains(session)
    }

    /// Whether it is complete as of a moment ago.
    pub(crate) fn is_live(&self, now: UnixTime) -> bool {
        let until = self.complete_until.load(Ordering::Acquire);
        !self.overflowed.load(Ordering::Acquire)
            && until != 0
            && now.as_secs() <= until.saturating_add(self.patience.as_secs())
    }

    pub(crate) fn insert(&self, ended: Ended) {
        if self.view.insert(ended.id, ended.at).is_err() {
            // Without room it does not know all: behind, until it is caught up again.
            if !self.overflowed.swap(true, Ordering::AcqRel) {
                error!("the revocation view is full and counts as behind");
            }
        }
    }

    /// Reads everything that was ended since the last time, less an overlap.
    async fn catch_up(
        &self,
        manager: &SessionManager,
        overlap: Duration,
    ) -> Result<(), StoreError> {
        let now = manager.now();
        self.view.forget_before(now);
        // What had no room was dropped: then everything is read again.
        let dropped = self.overflowed.swap(false, Ordering::AcqRel);
        let since = match UnixTime::from_secs(self.complete_until.load(Ordering::Acquire)) {
            Ok(last) if last > UnixTime::EPOCH && !dropped => last - overlap,
            _ => now - self.view.retention(),
        };
        for ended in manager.revocations(since).await? {
            self.insert(ended);
        }
        self.complete_until.store(now.as_secs(), Ordering::Release);
        Ok(())
    }
}

/// Follows the store's endings for as long as it is polled. Spawn it once per process, after
/// [`SessionManager::catch_up`].
pub(crate) async fn follow(manager: SessionManager) {
    let (mut notices, interval) = manager.subscribe();
    let mut timer = tokio::time::interval(interval);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            notice = notices.recv() => match notice {
                Ok(ended) => manager.feed().insert(ended),
                Err(RecvError::Lagged(missed)) => {
                    debug!(missed, "the feed lagged; reading again");
                    timer.reset_immediately();
                }
                // The store is gone, and this manager with it.
                Err(RecvError::Closed) => return,
            },
            _ = timer.tick() => {
                if let Err(error) = catch_up(&manager).await {
                    warn!(error = &error as &dyn std::error::Error, "the revocation feed is behind");
                }
            }
        }
    }
}

/// Reads what was ended since the last time. A write that was asked for before may become
/// visible only after, so it reads again what the statement time-out and the clocks allow.
pub(crate) async fn catch_up(manager: &SessionManager) -> Result<(), StoreError> {
    let overlap = manager.store_timeout() + manager.policy().tolerance() * 2;
    manager.feed().catch_up(manager, overlap).await
}
