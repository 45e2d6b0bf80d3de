//! Numbers for operators, through the facade of the `metrics` crate (feature `metrics`).
//!
//! An application installs a recorder of its own, such as the one of
//! `metrics-exporter-prometheus`; without one, and without the feature, nothing is counted.
//!
//! | name | kind | labels | is |
//! |---|---|---|---|
//! | `hallpass_events_total` | counter | `event`; `reason` of `revoked`, `why` of `feed_behind` and `unbound_credential` | [events](crate::event::EventKind), by their word in the log; each counter is there from the start, with 0 |
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
//! | `hallpass_passwords_busy_total` | counter | | passwords that the crate `token-password` did not check, since too many wait or one waited too long |
//! | `hallpass_waiting_sessions` | gauge | | sessions whose end somebody waits for ([`ended`](crate::SessionManager::ended)) |
//!
//! The gauges of the feed are shown by who follows it
//! ([`follow_revocations`](crate::SessionManager::follow_revocations)), and the other gauges and the counters of
//! caches by it and with each round of
//! [`delete_expired_continuously`](crate::SessionManager::delete_expired_continuously).
//!
//! All labels are words of this library, so there are at most some 60 series of counters and
//! gauges and 40 of histograms a process, whatever clients send. No label has a session, a
//! subject or a secret.

#[cfg(feature = "metrics")]
use metrics::{Counter, counter, gauge, histogram};
#[cfg(feature = "metrics")]
use token_core::RevokeReason;
#[cfg(feature = "metrics")]
use token_core::binding::Unproven;

use crate::cache::CacheCounts;
use crate::erased::Failure;
#[cfg(feature = "metrics")]
use crate::event::Behind;
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

/// Describes every number, so that exporters can show units and explanations, and begins the counter of each
/// event at 0. Done once a manager, which costs nothing later.
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
        // An alert compares a counter with what it was before. If the first event also made the counter,
        // there would be nothing to compare with, and the alert would miss it.
        for kind in every_kind() {
            counter_of(&kind).increment(0);
        }
    }
}

/// An event of each kind, and with each reason. What has no label does not matter.
#[cfg(feature = "metrics")]
fn every_kind() -> impl Iterator<Item = EventKind> {
    let plain = [
        EventKind::Adopted { reader: "" },
        EventKind::Bound,
        EventKind::Expired,
        EventKind::FeedLive,
        EventKind::Login,
        EventKind::LostWrite,
        EventKind::Mismatch,
        EventKind::Purged { sessions: 0 },
        EventKind::Refreshed,
        EventKind::Replayed,
        EventKind::Reused,
        EventKind::SteppedUp,
    ];
    let behind = [Behind::Full, Behind::Interrupted, Behind::Silent];
    let reasons = RevokeReason::ALL.iter().copied();
    let unproven = Unproven::ALL.iter().copied();
    plain
        .into_iter()
        .chain(behind.map(EventKind::FeedBehind))
        .chain(reasons.map(EventKind::Revoked))
        .chain(unproven.map(EventKind::UnboundCredential))
}

#[cfg(feature = "metrics")]
fn counter_of(kind: &EventKind) -> Counter {
    const NAME: &str = "hallpass_events_total";
    let event = kind.as_str();
    match kind {
        EventKind::Revoked(reason) => counter!(NAME, "event" => event, "reason" => reason.as_str()),
        EventKind::UnboundCredential(why) => {
            counter!(NAME, "event" => event, "why" => why.as_str())
        }
        EventKind::FeedBehind(why) => counter!(NAME, "event" => event, "why" => why.as_str()),
        _ => counter!(NAME, "event" => event),
    }
}

pub(crate) fn event(kind: &EventKind) {
    #[cfg(feature = "metrics")]
    {
        counter_of(kind).increment(1);
        if let EventKind::Purged { sessions } = kind {
            counter!("hallpass_purged_sessions_total").increment(*sessions);
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

pub(crate) fn store_call(call: &'static str, error: Option<&Failure>, watch: Stopwatch) {
    #[cfg(feature = "metrics")]
    {
        let outcome = match error {
            None => "ok",
            Some(Failure::Reported { .. }) => "failed",
            Some(Failure::Timeout(_)) => "timeout",
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

/// Whether the revocation view is complete, and how many sessions are in it. Where no feed is followed there
/// is no such gauge, so that nobody is warned about one that is behind.
pub(crate) fn feed(live: bool, view: usize) {
    #[cfg(feature = "metrics")]
    {
        gauge!("hallpass_revocation_feed_live").set(f64::from(u8::from(live)));
        gauge!("hallpass_revocation_view_sessions").set(number(view));
    }
    #[cfg(not(feature = "metrics"))]
    let _ = (live, view);
}

/// What this node remembers, and who waits.
pub(crate) struct Gauges {
    pub(crate) waiting: usize,
    pub(crate) cache: CacheCounts,
    pub(crate) sessions: SessionCacheCounts,
}

impl Gauges {
    pub(crate) fn show(&self) {
        let Self {
            waiting,
            cache,
            sessions,
        } = *self;
        #[cfg(feature = "metrics")]
        {
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
        let _ = (waiting, cache, sessions);
    }
}

#[cfg(feature = "metrics")]
#[expect(
    clippy::cast_precision_loss,
    reason = "gauges are floating-point numbers, exact to 2^53"
)]
const fn number(count: usize) -> f64 {
    count as f64
}

#[cfg(all(test, feature = "metrics"))]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, Mutex};

    use metrics::{Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

    use super::*;

    /// Keeps what is counted, by name and labels.
    #[derive(Default)]
    struct Counts(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

    impl Counts {
        fn read(&self) -> BTreeMap<String, u64> {
            let counts = self.0.lock().expect("nobody panics with it");
            let counts = counts.iter();
            counts
                .map(|(name, count)| (name.clone(), count.load(Ordering::Relaxed)))
                .collect()
        }
    }

    impl Recorder for Counts {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            let labels = key
                .labels()
                .map(|label| format!(" {}={}", label.key(), label.value()));
            let name = format!("{}{}", key.name(), labels.collect::<String>());
            let mut counts = self.0.lock().expect("nobody panics with it");
            Counter::from_arc(Arc::clone(counts.entry(name).or_default()))
        }

        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }

        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    #[test]
    fn the_counter_of_each_event_is_there_before_the_event() {
        let recorder = Counts::default();
        metrics::with_local_recorder(&recorder, describe);
        let before = recorder.read();
        assert!(before.values().all(|count| *count == 0), "{before:?}");
        let named = |labels: &str| before.contains_key(&format!("hallpass_events_total {labels}"));
        assert!(named("event=mismatch") && named("event=lost_write"));
        assert!(named("event=revoked reason=logout") && named("event=feed_behind why=silent"));

        metrics::with_local_recorder(&recorder, || {
            for kind in every_kind() {
                event(&kind);
            }
        });
        let mut after = recorder.read();
        after.remove("hallpass_purged_sessions_total");
        assert!(after.keys().eq(before.keys()), "{after:?}");
        assert!(after.values().all(|count| *count == 1), "{after:?}");
    }

    /// A kind that is added has to be added to the list: then this compiles.
    #[test]
    fn the_list_has_each_kind_of_event() {
        let numbers = every_kind().map(|kind| match kind {
            EventKind::Adopted { .. } => 0,
            EventKind::Bound => 1,
            EventKind::Expired => 2,
            EventKind::FeedBehind(Behind::Full) => 3,
            EventKind::FeedBehind(Behind::Interrupted) => 4,
            EventKind::FeedBehind(Behind::Silent) => 5,
            EventKind::FeedLive => 6,
            EventKind::Login => 7,
            EventKind::LostWrite => 8,
            EventKind::Mismatch => 9,
            EventKind::Purged { .. } => 10,
            EventKind::Refreshed => 11,
            EventKind::Replayed => 12,
            EventKind::Reused => 13,
            EventKind::Revoked(_) => 14,
            EventKind::SteppedUp => 15,
            EventKind::UnboundCredential(_) => 16,
        });
        let mut numbers: Vec<_> = numbers.collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert!(numbers.into_iter().eq(0..17));
    }
}
