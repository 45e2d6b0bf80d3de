//! Numbers for operators, through the facade of the `metrics` crate (feature `metrics`).
//!
//! An application installs a recorder of its own, such as the one of
//! `metrics-exporter-prometheus`; without one, and without the feature, nothing is counted.
//!
//! | name | kind | labels | is |
//! |---|---|---|---|
//! | `hallpass_events_total` | counter | `event`; `reason` of `revoked`, `why` of `feed_behind` and `unbound_credential` | [events](crate::event::EventKind), by their word in the log |
//! | `hallpass_purged_sessions_total` | counter | | expired sessions that this node has deleted |
//! | `hallpass_refresh_seconds` | histogram | `outcome`: `refreshed`, `replayed`, `denied`, `failed` | how long refreshes take, the store included |
//! | `hallpass_store_call_seconds` | histogram | `call`: the method of the store; `outcome`: `ok`, `failed`, `timeout` | how long each attempt takes |
//! | `hallpass_store_retries_total` | counter | `call` | attempts after a failed one |
//! | `hallpass_revocation_view_sessions` | gauge | | ended sessions in the view of this node |
//! | `hallpass_revocation_feed_live` | gauge | | 1 if the view is complete, 0 while it is behind |
//! | `hallpass_token_cache_hits_total`, `hallpass_token_cache_misses_total` | counter | | access tokens that needed no cryptography, and those that were verified or refused |
//! | `hallpass_token_cache_bytes` | gauge | | what the tokens take that were verified lately |
//! | `hallpass_session_cache_hits_total`, `hallpass_session_cache_misses_total` | counter | | uses of a session cookie for which the session was not read from the store, and for which it was |
//! | `hallpass_session_cache_sessions` | gauge | | sessions that are remembered |
//! | `hallpass_waiting_sessions` | gauge | | sessions whose end somebody waits for ([`ended`](crate::SessionManager::ended)) |
//!
//! All labels are words of this library, so there are at most some 60 series of counters and
//! gauges and 40 of histograms a process, whatever clients send. No label has a session, a
//! subject or a secret.

#[cfg(feature = "metrics")]
use metrics::{counter, gauge, histogram};

use crate::cache::CacheCounts;
use crate::erased::StoreError;
use crate::event::EventKind;
use crate::session_cache::SessionCacheCounts;

/// Measures how long something takes. Without the feature `metrics` nobody wants to know, and no
/// clock is read.
#[derive(Clone, Copy)]
pub(crate) struct Stopwatch {
    #[cfg(feature = "metrics")]
    start: tokio::time::Instant,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self {
            #[cfg(feature = "metrics")]
            start: tokio::time::Instant::now(),
        }
    }

    #[cfg(feature = "metrics")]
    fn elapsed(self) -> std::time::Duration {
        self.start.elapsed()
    }
}

/// Describes every number, so that exporters can show units and explanations. Done once a
/// manager, which costs nothing later.
pub(crate) fn describe() {
    #[cfg(feature = "metrics")]
    {
        use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
        describe_counter!(
            "hallpass_events_total",
            "Events of sessions and of this node"
        );
        describe_counter!("hallpass_purged_sessions_total", "Deleted sessions");
        describe_histogram!("hallpass_refresh_seconds", Unit::Seconds, "Refreshes");
        describe_histogram!(
            "hallpass_store_call_seconds",
            Unit::Seconds,
            "Attempts of calls to the session store"
        );
        describe_counter!(
            "hallpass_store_retries_total",
            "Attempts after a failed one"
        );
        describe_gauge!(
            "hallpass_revocation_view_sessions",
            "Ended sessions in the revocation view"
        );
        describe_gauge!(
            "hallpass_revocation_feed_live",
            "1 where the revocation view is complete, 0 while it is behind"
        );
        describe_counter!(
            "hallpass_token_cache_hits_total",
            "Access tokens that needed no cryptography"
        );
        describe_counter!(
            "hallpass_token_cache_misses_total",
            "Access tokens that were verified or refused"
        );
        describe_gauge!(
            "hallpass_token_cache_bytes",
            Unit::Bytes,
            "Tokens that were verified lately"
        );
        describe_counter!(
            "hallpass_session_cache_hits_total",
            "Uses of a session cookie for which the session was not read from the store"
        );
        describe_counter!(
            "hallpass_session_cache_misses_total",
            "Uses of a session cookie for which the session was read from the store"
        );
        describe_gauge!(
            "hallpass_session_cache_sessions",
            "Sessions that are remembered"
        );
        describe_gauge!(
            "hallpass_waiting_sessions",
            "Sessions whose end somebody waits for"
        );
    }
}

pub(crate) fn event(kind: &EventKind) {
    #[cfg(feature = "metrics")]
    match kind {
        EventKind::Revoked(reason) => {
            let labels = [("event", kind.as_str()), ("reason", reason.as_str())];
            counter!("hallpass_events_total", &labels).increment(1);
        }
        EventKind::UnboundCredential(why) => {
            let labels = [("event", kind.as_str()), ("why", why.as_str())];
            counter!("hallpass_events_total", &labels).increment(1);
        }
        EventKind::FeedBehind(why) => {
            let labels = [("event", kind.as_str()), ("why", why.as_str())];
            counter!("hallpass_events_total", &labels).increment(1);
        }
        _ => {
            counter!("hallpass_events_total", "event" => kind.as_str()).increment(1);
            if let EventKind::Purged { sessions } = kind {
                counter!("hallpass_purged_sessions_total").increment(*sessions);
            }
        }
    }
    #[cfg(not(feature = "metrics"))]
    let _ = kind;
}

pub(crate) fn refresh(outcome: &'static str, watch: Stopwatch) {
    #[cfg(feature = "metrics")]
    histogram!("hallpass_refresh_seconds", "outcome" => outcome).record(watch.elapsed());
    #[cfg(not(feature = "metrics"))]
    let _ = (outcome, watch);
}

pub(crate) fn store_call(call: &'static str, error: Option<&StoreError>, watch: Stopwatch) {
    #[cfg(feature = "metrics")]
    {
        let outcome = match error {
            None => "ok",
            Some(StoreError::Failed(_) | StoreError::Lasting(_)) => "failed",
            Some(StoreError::Timeout(_)) => "timeout",
        };
        histogram!("hallpass_store_call_seconds", "call" => call, "outcome" => outcome)
            .record(watch.elapsed());
    }
    #[cfg(not(feature = "metrics"))]
    let _ = (call, error, watch);
}

pub(crate) fn retry(call: &'static str) {
    #[cfg(feature = "metrics")]
    counter!("hallpass_store_retries_total", "call" => call).increment(1);
    #[cfg(not(feature = "metrics"))]
    let _ = call;
}

/// The state of the feed.
pub(crate) struct Gauges {
    pub(crate) live: bool,
    pub(crate) view: usize,
    pub(crate) waiting: usize,
    pub(crate) cache: CacheCounts,
    pub(crate) sessions: SessionCacheCounts,
}

impl Gauges {
    pub(crate) fn show(&self) {
        let Self {
            live,
            view,
            waiting,
            cache,
            sessions,
        } = *self;
        #[cfg(feature = "metrics")]
        {
            #[expect(
                clippy::cast_precision_loss,
                reason = "gauges are floating-point numbers, exact to 2^53"
            )]
            let number = |count: usize| count as f64;
            gauge!("hallpass_revocation_feed_live").set(f64::from(u8::from(live)));
            gauge!("hallpass_revocation_view_sessions").set(number(view));
            gauge!("hallpass_waiting_sessions").set(number(waiting));
            // Counted by the cache itself: a request must not wait for a recorder.
            counter!("hallpass_token_cache_hits_total").absolute(cache.hits);
            counter!("hallpass_token_cache_misses_total").absolute(cache.misses);
            gauge!("hallpass_token_cache_bytes").set(number(cache.bytes));
            counter!("hallpass_session_cache_hits_total").absolute(sessions.hits);
            counter!("hallpass_session_cache_misses_total").absolute(sessions.misses);
            gauge!("hallpass_session_cache_sessions").set(number(sessions.entries));
        }
        #[cfg(not(feature = "metrics"))]
        let _ = (live, view, waiting, cache, sessions);
    }
}
