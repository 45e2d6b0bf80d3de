//! What one node ends another refuses, whatever becomes of the feed between them: cut, held,
//! flooded, killed, restarted, on Redis and on PostgreSQL, by each policy.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests fail loudly"
)]

mod postgres;
mod redis;
mod sqlite;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use token_core::{Policy, Subject};
use token_session::event::{Behind, Event, EventKind};
use token_session::test_util::test_issuer;
use token_session::{RevocationCheck, SessionManager, SessionStore, WhenBehind};

const HEARTBEAT: Duration = Duration::from_secs(1);
/// Where alarms are counted: silence is one only after 25 seconds, so that a busy machine adds none.
const SELDOM: Duration = Duration::from_secs(10);
/// Two and a half heartbeats, and what a busy machine adds.
const BOUND: Duration = Duration::from_secs(8);
const POLICIES: [WhenBehind; 3] = [WhenBehind::Accept, WhenBehind::AskStore, WhenBehind::Refuse];

type Events = Arc<Mutex<Vec<EventKind>>>;

/// How long a busy machine may take to what an idle one does in a moment.
const PATIENCE: Duration = Duration::from_mins(1);

/// A node on the store, caught up and following, with its events.
async fn node(store: impl SessionStore, when: WhenBehind) -> (SessionManager, Events) {
    beating(store, when, HEARTBEAT).await
}

/// The same with another heartbeat.
async fn beating(
    store: impl SessionStore,
    when: WhenBehind,
    heartbeat: Duration,
) -> (SessionManager, Events) {
    let events = Events::default();
    let sink = Arc::clone(&events);
    let manager = SessionManager::builder(store, test_issuer(Policy::default()))
        .revocation_check(RevocationCheck::Feed(when))
        .session_cache(1000)
        .heartbeat(heartbeat)
        .events(move |event: Event| sink.lock().unwrap().push(event.kind))
        .build()
        .unwrap();
    back(&manager).await;
    manager.catch_up().await.unwrap();
    tokio::spawn(manager.clone().follow_revocations());
    (manager, events)
}

/// By when an answered logout must be heeded, unless the policy is to accept.
fn bound(when: WhenBehind) -> Option<Duration> {
    (when != WhenBehind::Accept).then_some(BOUND)
}

/// Waits until the store answers: each connection is made anew when it is found to be broken.
async fn back(manager: &SessionManager) {
    let start = Instant::now();
    let nobody = Subject::new("nobody").unwrap();
    while let Err(error) = manager.begin_login(nobody.clone()).await {
        assert!(start.elapsed() < PATIENCE, "{error}");
    }
}

/// The alarms that were raised by now.
fn raised(events: &Events) -> Vec<EventKind> {
    std::mem::take(&mut *events.lock().unwrap())
}

/// So many alarms or more, each with its end, which is told a moment after it has come.
async fn alarms(events: &Events, count: usize) -> Vec<EventKind> {
    let start = Instant::now();
    loop {
        let told = events.lock().unwrap().clone();
        if told.len() >= 2 * count && told.last() == Some(&EventKind::FeedLive) {
            return raised(events);
        }
        assert!(start.elapsed() < PATIENCE, "{count} alarms: {told:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Nothing broke: a busy machine may at most have been silent for too long.
fn assert_unbroken(events: &Events) {
    let alarms = raised(events);
    let silence = [EventKind::FeedBehind(Behind::Silent), EventKind::FeedLive];
    assert!(
        alarms.iter().all(|kind| silence.contains(kind)),
        "{alarms:?}"
    );
}
