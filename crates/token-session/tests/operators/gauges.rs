//! The gauges that operators see, as a recorder gets them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use token_session::event::Behind;
use token_session::event::EventKind::FeedBehind;
use token_session::test_util::TestClock;
use token_session::{FeedState, MemoryStore, RevocationCheck, WhenBehind};
use tokio::time::sleep;

use crate::{Log, manager, secs};

/// Keeps the gauges by name.
#[derive(Clone, Default)]
struct Gauges(Arc<Mutex<BTreeMap<String, Arc<AtomicU64>>>>);

impl Gauges {
    fn get(&self, name: &str) -> Option<f64> {
        let gauges = self.0.lock().unwrap();
        let gauge = gauges.get(&format!("hallpass_{name}"))?;
        Some(f64::from_bits(gauge.load(Ordering::Relaxed)))
    }
}

impl Recorder for Gauges {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let mut gauges = self.0.lock().unwrap();
        let gauge = gauges.entry(key.name().to_owned()).or_default();
        Gauge::from_arc(Arc::clone(gauge))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_follows_no_more_says_that_it_is_behind() {
    let gauges = Gauges::default();
    let _recorder = metrics::set_default_local_recorder(&gauges);
    let (clock, log) = (TestClock::new(), Log::default());
    let manager = manager(MemoryStore::new(1000, &[7; 32]), &clock, &log, |builder| {
        builder.revocation_check(RevocationCheck::Feed(WhenBehind::AskStore))
    });
    manager.catch_up().await.unwrap();
    let following = tokio::spawn(manager.clone().follow_revocations());
    sleep(secs(1)).await;
    assert_eq!(gauges.get("revocation_feed_live"), Some(1.0));
    assert!(log.lock().unwrap().is_empty());

    following.abort();
    assert!(following.await.unwrap_err().is_cancelled());
    assert_eq!(manager.feed_state(), FeedState::Behind);
    assert_eq!(gauges.get("revocation_feed_live"), Some(0.0));
    let behind = (FeedBehind(Behind::Interrupted), None);
    assert_eq!(*log.lock().unwrap(), [behind]);

    // One that is behind already has said so.
    let following = tokio::spawn(manager.clone().follow_revocations());
    tokio::task::yield_now().await;
    following.abort();
    drop(following.await);
    let said = log.lock().unwrap().len();
    assert!(said <= 2, "{said}");
    assert_eq!(gauges.get("revocation_feed_live"), Some(0.0));
}

#[tokio::test(start_paused = true)]
async fn a_node_without_a_feed_shows_what_it_remembers_and_who_waits() {
    let gauges = Gauges::default();
    let _recorder = metrics::set_default_local_recorder(&gauges);
    let (clock, log) = (TestClock::new(), Log::default());
    let manager = manager(MemoryStore::new(1000, &[7; 32]), &clock, &log, |builder| {
        builder
    });
    let deletion = manager.delete_expired_continuously(secs(60), sleep(secs(600)));
    let deletion = tokio::spawn(deletion);
    sleep(secs(91)).await;
    assert_eq!(gauges.get("token_cache_bytes"), Some(0.0));
    assert_eq!(gauges.get("session_cache_sessions"), Some(0.0));
    assert_eq!(gauges.get("waiting_sessions"), Some(0.0));
    // An alert on a feed that is behind is none for a node that has none.
    assert_eq!(gauges.get("revocation_feed_live"), None);
    deletion.abort();
}
