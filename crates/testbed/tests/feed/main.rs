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
use std::time::Duration;

use token_core::Policy;
use token_store::event::{Event, EventKind};
use token_store::test_util::test_issuer;
use token_store::{RevocationCheck, SessionManager, SessionStore, WhenBehind};

const HEARTBEAT: Duration = Duration::from_secs(1);
/// Two and a half heartbeats, and what a busy machine adds.
const BOUND: Duration = Duration::from_secs(8);
const POLICIES: [WhenBehind; 3] = [WhenBehind::Accept, WhenBehind::AskStore, WhenBehind::Refuse];

type Events = Arc<Mutex<Vec<EventKind>>>;

/// A node on the store, caught up and following, with its events.
async fn node(store: impl SessionStore, when: WhenBehind) -> (SessionManager, Events) {
    let events = Events::default();
    let sink = Arc::clone(&events);
    let manager = SessionManager::builder(store, test_issuer(Policy::default()))
        .revocation_check(RevocationCheck::Feed(when))
        .heartbeat(HEARTBEAT)
        .events(move |event: Event| sink.lock().unwrap().push(event.kind))
        .build()
        .unwrap();
    manager.catch_up().await.unwrap();
    tokio::spawn(manager.clone().follow_revocations());
    (manager, events)
}

/// By when an answered logout must be heeded, unless the policy is to accept.
fn bound(when: WhenBehind) -> Option<Duration> {
    (when != WhenBehind::Accept).then_some(BOUND)
}

/// The alarms that were raised, each with its end.
fn alarms(events: &Events) -> Vec<EventKind> {
    std::mem::take(&mut *events.lock().unwrap())
}
