//! The revocation feed of the driver, on notices that are lost, held and flooded.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

mod lossy;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lossy::{Fate, LossyStore};
use token_core::{NoClaims, Policy};
use token_session::event::Behind::{Full, Interrupted, Silent};
use token_session::event::{Event, EventKind};
use token_session::test_util::{TestClock, test_issuer};
use token_session::{
    AccessError, MemoryStore, NewSession, Presented, RevocationCheck, SessionManager, WhenBehind,
};
use tokio::task::JoinHandle;

const HEARTBEAT: Duration = Duration::from_secs(2);

/// Two nodes on one memory store: what one ends the other hears through a way that loses.
struct Nodes {
    here: SessionManager,
    there: SessionManager,
    store: Arc<LossyStore>,
    clock: TestClock,
    events: Arc<Mutex<Vec<EventKind>>>,
    follower: JoinHandle<()>,
}

impl Nodes {
    async fn start(when: WhenBehind, capacity: usize) -> Self {
        let clock = TestClock::new();
        let memory = Arc::new(MemoryStore::new(1_000_000, &[7; 32]));
        let store = Arc::new(LossyStore::new(Arc::clone(&memory), clock.clone()));
        let events = Arc::<Mutex<Vec<EventKind>>>::default();
        let sink = Arc::clone(&events);
        let issuer = || test_issuer(Policy::default());
        let here = SessionManager::builder(memory, issuer())
            .clock(clock.clone())
            .build()
            .unwrap();
        let there = SessionManager::builder(Arc::clone(&store), issuer())
            .clock(clock.clone())
            .heartbeat(HEARTBEAT)
            .view_capacity(capacity)
            .store_retries(0)
            .revocation_check(RevocationCheck::Feed(when))
            .events(move |event: Event| sink.lock().unwrap().push(event.kind))
            .build()
            .unwrap();
        there.catch_up().await.unwrap();
        let follower = tokio::spawn(there.clone().follow_revocations());
        settle().await;
        assert!(there.revocations_are_live());
        Self {
            here,
            there,
            store,
            clock,
            events,
            follower,
        }
    }

    /// Logs in and out here, and gives the access token.
    async fn ended(&self) -> String {
        let subject = "alice".parse().unwrap();
        let ticket = self.here.begin_login(subject).await.unwrap();
        let issued = self
            .here
            .login(ticket, NewSession::default())
            .await
            .unwrap();
        let tokens = issued.tokens().unwrap();
        let refresh = tokens.refresh_token.secret();
        self.here.logout(Presented::Refresh(refresh)).await.unwrap();
        tokens.access_token.secret().to_owned()
    }

    async fn answer(&self, access: &str) -> &'static str {
        match self.there.authenticate::<NoClaims>(access).await {
            Ok(_) => "accepted",
            Err(AccessError::Behind) => "behind",
            Err(AccessError::Revoked { .. }) => "revoked",
            Err(error) => panic!("{error}"),
        }
    }

    fn events(&self) -> Vec<EventKind> {
        std::mem::take(&mut *self.events.lock().unwrap())
    }
}

/// Lets everything happen that can without time passing.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(200)).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_ended_elsewhere_is_refused_without_a_store_call() {
    let nodes = Nodes::start(WhenBehind::Refuse, 1000).await;
    let access = nodes.ended().await;
    settle().await;
    let calls = nodes.store.calls();
    assert_eq!(nodes.answer(&access).await, "revoked");
    assert_eq!(nodes.store.calls(), calls);
    assert_eq!(nodes.events(), []);
}

/// As behind a transaction-mode PgBouncer: nothing comes, and nothing says so.
#[tokio::test(start_paused = true)]
async fn silence_is_noticed_and_the_policy_decides() {
    for (when, expected) in [
        (WhenBehind::Accept, "accepted"),
        (WhenBehind::AskStore, "revoked"),
        (WhenBehind::Refuse, "behind"),
    ] {
        let nodes = Nodes::start(when, 1000).await;
        nodes.store.set(Fate::Lost);
        tokio::time::sleep(HEARTBEAT * 3).await;
        assert!(!nodes.there.revocations_are_live());
        // Readings go on each second; this is between two of them.
        let access = nodes.ended().await;
        assert_eq!(nodes.answer(&access).await, expected);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(nodes.answer(&access).await, "revoked", "read by now");
        assert!(
            !nodes.there.revocations_are_live(),
            "reading proves nothing"
        );
        assert_eq!(nodes.events(), [EventKind::FeedBehind(Silent)]);

        let access = nodes.ended().await;
        nodes.store.set(Fate::Passed);
        tokio::time::sleep(HEARTBEAT * 2).await;
        assert!(nodes.there.revocations_are_live());
        assert_eq!(nodes.answer(&access).await, "revoked");
        assert_eq!(nodes.events(), [EventKind::FeedLive]);
    }
}

/// Notices are lost for a moment, one heartbeat among them, and nobody says so.
#[tokio::test(start_paused = true)]
async fn a_heartbeat_that_is_missing_means_a_gap() {
    let nodes = Nodes::start(WhenBehind::Accept, 1000).await;
    nodes.store.set(Fate::Lost);
    let access = nodes.ended().await;
    tokio::time::sleep(HEARTBEAT).await;
    nodes.store.set(Fate::Passed);
    assert_eq!(nodes.answer(&access).await, "accepted");
    // The next heartbeat comes, and the one before has not.
    tokio::time::sleep(HEARTBEAT).await;
    settle().await;
    assert!(nodes.there.revocations_are_live());
    assert_eq!(nodes.answer(&access).await, "revoked");
}

#[tokio::test(start_paused = true)]
async fn what_is_held_back_arrives_in_order_and_is_no_gap() {
    let nodes = Nodes::start(WhenBehind::Refuse, 1000).await;
    nodes.store.set(Fate::Held);
    let access = nodes.ended().await;
    assert_eq!(nodes.answer(&access).await, "accepted", "not noticed yet");
    tokio::time::sleep(HEARTBEAT * 3).await;
    assert!(!nodes.there.revocations_are_live());
    assert_eq!(nodes.answer(&access).await, "revoked", "read at once");
    nodes.store.set(Fate::Passed);
    tokio::time::sleep(HEARTBEAT).await;
    assert!(nodes.there.revocations_are_live());
}

/// A connection that breaks says so, and counts at once.
#[tokio::test(start_paused = true)]
async fn a_gap_counts_at_once_and_closes_at_its_end() {
    let nodes = Nodes::start(WhenBehind::Refuse, 1000).await;
    nodes.store.set(Fate::Broken);
    settle().await;
    assert!(!nodes.there.revocations_are_live());
    let access = nodes.ended().await;
    assert_eq!(nodes.answer(&access).await, "behind");
    nodes.store.set(Fate::Passed);
    settle().await;
    assert!(nodes.there.revocations_are_live(), "not a heartbeat later");
    assert_eq!(nodes.answer(&access).await, "revoked");
    let expected = [EventKind::FeedBehind(Interrupted), EventKind::FeedLive];
    assert_eq!(nodes.events(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_a_gap_that_closes() {
    let nodes = Nodes::start(WhenBehind::Accept, 100_000).await;
    nodes.store.set(Fate::Held);
    let mut all = Vec::new();
    for _ in 0..2000 {
        all.push(nodes.ended().await);
        tokio::task::yield_now().await;
    }
    // More at once than there is room for.
    nodes.store.set(Fate::Passed);
    settle().await;
    assert!(nodes.there.revocations_are_live());
    for access in all {
        assert_eq!(nodes.answer(&access).await, "revoked");
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_view_counts_as_behind_until_it_has_room_again() {
    let nodes = Nodes::start(WhenBehind::AskStore, 16).await;
    let mut all = Vec::new();
    for _ in 0..100 {
        all.push(nodes.ended().await);
    }
    settle().await;
    assert!(!nodes.there.revocations_are_live());
    for access in &all {
        assert_eq!(nodes.answer(access).await, "revoked", "by the store");
    }
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(
        !nodes.there.revocations_are_live(),
        "there is still no room"
    );
    assert_eq!(nodes.events(), [EventKind::FeedBehind(Full)]);
    nodes.clock.advance(Duration::from_mins(10));
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(nodes.there.revocations_are_live());
    assert_eq!(nodes.events(), [EventKind::FeedLive]);
}

/// Twice the time-out of the store and twice the tolerance before the last point, each half a
/// minute although all is well.
#[tokio::test(start_paused = true)]
async fn readings_overlap_and_go_on_while_connected() {
    let nodes = Nodes::start(WhenBehind::Refuse, 1000).await;
    let before = nodes.store.readings();
    // Both clocks together: one that jumps has everything read again.
    for _ in 0..300 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        nodes.clock.advance(Duration::from_secs(1));
    }
    let readings = nodes.store.readings().split_off(before.len() - 1);
    assert!((10..=14).contains(&readings.len()), "{readings:?}");
    let overlap = Duration::from_secs(2 * 5 + 2 * 5);
    for pair in readings.windows(2) {
        assert_eq!(pair[1].0, pair[0].1 - overlap);
    }
    assert_eq!(nodes.events(), []);
}

/// Commits that were asked for before a reading and became visible after it are not missed,
/// although no notice of them came.
#[tokio::test(start_paused = true)]
async fn an_ending_that_becomes_visible_late_is_read() {
    let nodes = Nodes::start(WhenBehind::Accept, 1000).await;
    nodes.store.set(Fate::Lost);
    nodes.store.hide(true);
    let access = nodes.ended().await;
    nodes.clock.advance(Duration::from_secs(15));
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!(nodes.answer(&access).await, "accepted", "hidden");
    nodes.store.hide(false);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(nodes.answer(&access).await, "revoked");
}

/// A clock that was ahead has taken for long ago what was not, and forgotten it.
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_finds_again_what_it_forgot() {
    let nodes = Nodes::start(WhenBehind::Refuse, 1000).await;
    let access = nodes.ended().await;
    settle().await;
    nodes.clock.advance(Duration::from_mins(1));
    let right = token_session::clock::Clock::now(&nodes.clock);
    nodes.clock.advance(Duration::from_hours(1));
    tokio::time::sleep(Duration::from_secs(40)).await;
    nodes.clock.set(right);
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert!(nodes.there.revocations_are_live());
    assert_eq!(nodes.answer(&access).await, "revoked");
}

#[tokio::test(start_paused = true)]
async fn nobody_follows_means_behind() {
    let nodes = Nodes::start(WhenBehind::Refuse, 1000).await;
    nodes.follower.abort();
    settle().await;
    assert!(!nodes.there.revocations_are_live());
}

/// Notices are lost meanwhile, and no time passes for the runtime.
#[tokio::test(start_paused = true)]
async fn after_the_machine_was_suspended_the_view_is_behind_until_it_was_read_again() {
    let nodes = Nodes::start(WhenBehind::Refuse, 1000).await;
    nodes.store.set(Fate::Lost);
    nodes.clock.advance(Duration::from_secs(3600));
    let access = nodes.ended().await;
    assert_eq!(nodes.answer(&access).await, "behind");
    nodes.store.set(Fate::Passed);
    tokio::time::sleep(HEARTBEAT * 5).await;
    assert!(nodes.there.revocations_are_live());
    assert_eq!(nodes.answer(&access).await, "revoked");
}

/// What was read while it was ahead proved nothing, and must not say for an hour that the view is behind.
#[tokio::test(start_paused = true)]
async fn a_clock_that_was_ahead_while_notices_did_not_come_leaves_the_view_live() {
    let nodes = Nodes::start(WhenBehind::Refuse, 1000).await;
    let right = nodes.there.now();
    nodes.store.set(Fate::Broken);
    nodes.clock.advance(Duration::from_secs(3600));
    tokio::time::sleep(HEARTBEAT * 5).await;
    assert!(!nodes.there.revocations_are_live());
    nodes.clock.set(right + HEARTBEAT * 5);
    nodes.store.set(Fate::Passed);
    tokio::time::sleep(HEARTBEAT * 5).await;
    assert!(nodes.there.revocations_are_live());
    let access = nodes.ended().await;
    settle().await;
    assert_eq!(nodes.answer(&access).await, "revoked");
}
