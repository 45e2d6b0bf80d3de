//! The cache of sessions behind the driver: requests with a session cookie that do not ask the store, and
//! what they must not accept.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use token_core::binding::{Binding, Thumbprint};
use token_core::session::{Bind, Change, Credentials, DenialReason};
use token_core::{
    Authentication, CustomClaims, Policy, RevokeReason, Session, Transport, UnixTime,
};
use token_session::store::Commit;
use token_session::test_util::{Injected, TestClock, Trouble, TroubledStore, test_issuer};
use token_session::{
    CookieSession, Issued, ManagerError, MemoryStore, NewSession, Presented, RefreshError,
    RevocationCheck, SessionCredential, SessionManager, SessionStore, WhenBehind,
};
use tokio::sync::Notify;

/// Counts the calls of a store, makes them fail, and holds a reading back.
#[derive(Default)]
struct Watched {
    loads: AtomicU64,
    commits: AtomicU64,
    fails: AtomicBool,
    /// The next reading has read and does not answer until it is told to.
    holds: AtomicBool,
    held: Notify,
    go_on: Notify,
}

impl Trouble for Watched {
    async fn before(&self, call: &'static str) -> Result<(), Injected> {
        match call {
            "load" => self.loads.fetch_add(1, Ordering::SeqCst),
            "commit" => self.commits.fetch_add(1, Ordering::SeqCst),
            _ => 0,
        };
        if self.fails.load(Ordering::SeqCst) {
            return Err(Injected);
        }
        Ok(())
    }

    async fn after(&self, call: &'static str) -> Result<(), Injected> {
        if call == "load" && self.holds.swap(false, Ordering::SeqCst) {
            self.held.notify_one();
            self.go_on.notified().await;
        }
        Ok(())
    }
}

/// A node that remembers sessions, and another on the same store that does not.
struct Nodes {
    store: Arc<MemoryStore>,
    here: SessionManager,
    there: SessionManager,
    calls: Arc<Watched>,
    clock: TestClock,
}

const TOUCH: Duration = Duration::from_secs(60);

fn build(
    store: impl SessionStore,
    policy: Policy,
    clock: &TestClock,
    sessions: usize,
    when: WhenBehind,
) -> Result<SessionManager, ManagerError> {
    SessionManager::builder(store, test_issuer(policy))
        .clock(clock.clone())
        .revocation_check(RevocationCheck::Feed(when))
        .session_cache(sessions)
        .store_retries(0)
        .build()
}

impl Nodes {
    async fn start(sessions: usize, when: WhenBehind) -> Self {
        Self::under(Policy::default(), sessions, when).await
    }

    async fn under(policy: Policy, sessions: usize, when: WhenBehind) -> Self {
        let store = Arc::new(MemoryStore::new(100_000, &[7; 32]));
        let calls = Arc::<Watched>::default();
        let clock = TestClock::new();
        let watched = TroubledStore::new(Arc::clone(&store), Arc::clone(&calls));
        let here = build(watched, policy.clone(), &clock, sessions, when).unwrap();
        let there = build(Arc::clone(&store), policy, &clock, 0, when).unwrap();
        here.catch_up().await.unwrap();
        tokio::spawn(here.clone().follow_revocations());
        Self {
            store,
            here,
            there,
            calls,
            clock,
        }
    }

    /// Time passes, by the clock and for the feed.
    async fn wait(&self, time: Duration) {
        for _ in 0..time.as_secs() {
            tokio::time::sleep(Duration::from_secs(1)).await;
            self.clock.advance(Duration::from_secs(1));
        }
        assert!(self.here.revocations_are_live());
    }

    fn loads(&self) -> u64 {
        self.calls.loads.load(Ordering::SeqCst)
    }

    /// Uses a cookie here so many times, and gives how often the store was asked for the session.
    async fn use_it(&self, cookie: &str, times: u32) -> u64 {
        let before = self.loads();
        for _ in 0..times {
            let _accepted: CookieSession = self.here.touch(cookie).await.unwrap();
        }
        self.loads() - before
    }

    async fn refused(&self, cookie: &str) -> DenialReason {
        match self.here.touch(cookie).await {
            Err(RefreshError::Denied(denial)) => denial.reason(),
            other => panic!("{other:?}"),
        }
    }
}

async fn login(node: &SessionManager) -> (Session, String) {
    let ticket = node.begin_login("alice".parse().unwrap()).await.unwrap();
    let new = NewSession {
        transport: Some(Transport::Session),
        ..NewSession::default()
    };
    cookie(&node.login(ticket, new).await.unwrap())
}

fn cookie(issued: &Issued) -> (Session, String) {
    let Credentials::Session(token) = issued.credentials() else {
        panic!("the transport is `session`");
    };
    (issued.session().clone(), token.to_secret_text().to_string())
}

async fn step_up(node: &SessionManager, cookie_text: &str) -> String {
    let token = SessionManager::read_session_cookie(cookie_text).unwrap();
    let credential = SessionCredential::Session(token);
    let authentication = Authentication::password(node.now());
    let issued = node.step_up(&credential, authentication).await.unwrap();
    cookie(&issued).1
}

/// Lets the notices that were sent arrive.
async fn hear() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// A user who loses a role on one node has lost it on the others with the next request.
#[tokio::test(start_paused = true)]
async fn what_a_session_may_do_changes_on_each_node_at_once() {
    let nodes = Nodes::start(100, WhenBehind::AskStore).await;
    let (session, cookie) = login(&nodes.here).await;
    assert_eq!(nodes.use_it(&cookie, 10).await, 1);
    for (node, role) in [(&nodes.there, "author"), (&nodes.here, "reader")] {
        let claims = format!(r#"{{"role":"{role}"}}"#);
        let claims = CustomClaims::from_json(&claims).unwrap();
        let permitted = node.permit(session.id, claims.clone()).await.unwrap();
        assert!(permitted.is_some());
        hear().await;
        let used = nodes.here.touch(&cookie).await.unwrap();
        assert_eq!(used.session().claims, claims);
        assert_eq!(nodes.use_it(&cookie, 10).await, 0, "it is remembered again");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_known_is_not_read_until_its_deadline_moves() {
    let nodes = Nodes::start(100, WhenBehind::AskStore).await;
    let (_, cookie) = login(&nodes.here).await;
    assert_eq!(nodes.use_it(&cookie, 10).await, 1);
    nodes.wait(Duration::from_secs(59)).await;
    assert_eq!(nodes.use_it(&cookie, 10).await, 0);
    nodes.wait(Duration::from_secs(1)).await;
    assert!(nodes.here.touch(&cookie).await.unwrap().slid());
    assert_eq!(nodes.calls.commits.load(Ordering::SeqCst), 1);
    // What the write returned is known from then on.
    assert_eq!(nodes.use_it(&cookie, 10).await, 0);
    let counts = nodes.here.session_cache_counts();
    assert_eq!((counts.misses, counts.entries), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_look_moves_nothing_and_asks_the_store_now_and_then() {
    let nodes = Nodes::start(100, WhenBehind::AskStore).await;
    let (_, cookie) = login(&nodes.here).await;
    for reading in 1..4 {
        for _ in 0..5 {
            let _accepted = nodes.here.look(&cookie).await.unwrap();
        }
        assert_eq!(nodes.loads(), reading);
        nodes.wait(Duration::from_secs(90)).await;
    }
    assert_eq!(nodes.calls.commits.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_remembered_by_default() {
    let nodes = Nodes::start(0, WhenBehind::AskStore).await;
    let (_, cookie) = login(&nodes.here).await;
    assert_eq!(nodes.use_it(&cookie, 10).await, 10);
    assert_eq!(nodes.here.session_cache_counts().entries, 0);
}

#[test]
fn a_cache_without_the_feed_is_refused() {
    let store = MemoryStore::new(10, &[7; 32]);
    let built = SessionManager::builder(store, test_issuer(Policy::default()))
        .session_cache(1)
        .build();
    assert!(matches!(built, Err(ManagerError::SessionCache)));
}

#[tokio::test(start_paused = true)]
async fn what_this_node_ends_it_refuses_at_once() {
    let nodes = Nodes::start(100, WhenBehind::AskStore).await;
    for way in 0..3 {
        let (session, cookie) = login(&nodes.here).await;
        nodes.use_it(&cookie, 2).await;
        let node = &nodes.here;
        match way {
            0 => drop(node.logout(Presented::Session(&cookie)).await.unwrap()),
            1 => drop(node.revoke(session.id, RevokeReason::Admin).await.unwrap()),
            _ => {
                let all = node.revoke_all(&session.subject, RevokeReason::LogoutAll);
                assert_eq!(all.await.unwrap(), [session.id]);
            }
        }
        // No notice has been heard yet.
        assert_eq!(nodes.refused(&cookie).await, DenialReason::Revoked);
    }
}

#[tokio::test(start_paused = true)]
async fn what_another_node_ends_is_refused_once_it_is_heard() {
    let nodes = Nodes::start(100, WhenBehind::AskStore).await;
    let (session, cookie) = login(&nodes.there).await;
    nodes.use_it(&cookie, 2).await;
    let ended = nodes.there.revoke(session.id, RevokeReason::Admin).await;
    assert!(ended.unwrap());
    hear().await;
    assert_eq!(nodes.refused(&cookie).await, DenialReason::Revoked);
}

#[tokio::test(start_paused = true)]
async fn a_step_up_on_this_node_holds_at_once() {
    let nodes = Nodes::start(100, WhenBehind::AskStore).await;
    let (_, old) = login(&nodes.here).await;
    nodes.use_it(&old, 2).await;
    nodes.clock.advance(Duration::from_secs(1));
    let new = step_up(&nodes.here, &old).await;
    assert_eq!(nodes.refused(&old).await, DenialReason::Revoked);
    let accepted = nodes.here.touch(&new).await.unwrap();
    assert_eq!(accepted.session().authentication.time, nodes.here.now());
}

#[tokio::test(start_paused = true)]
async fn a_step_up_on_another_node_holds_once_it_is_heard() {
    let nodes = Nodes::start(100, WhenBehind::AskStore).await;
    let (_, old) = login(&nodes.there).await;
    nodes.use_it(&old, 2).await;
    let new = step_up(&nodes.there, &old).await;
    // The new cookie is right before that: what is remembered never refuses.
    let _accepted = nodes.here.touch(&new).await.unwrap();
    hear().await;
    assert_eq!(nodes.refused(&old).await, DenialReason::Revoked);
    let _accepted = nodes.here.touch(&new).await.unwrap();
}

/// A copied cookie: it was good on this node before the browser confirmed its key on the other.
#[tokio::test(start_paused = true)]
async fn a_key_that_is_confirmed_on_another_node_is_demanded_once_it_is_heard() {
    let nodes = Nodes::start(100, WhenBehind::AskStore).await;
    let (session, cookie) = login(&nodes.there).await;
    assert_eq!(nodes.use_it(&cookie, 2).await, 1, "it is remembered");
    let bind = Bind {
        id: session.id,
        from: session.binding,
        to: Binding::Key(Thumbprint::from_bytes([1; 32])),
        at: nodes.there.now(),
    };
    let bound = nodes.store.commit(&Change::Bind(bind)).await.unwrap();
    assert!(matches!(bound, Commit::Applied(_)));
    hear().await;
    assert_eq!(nodes.refused(&cookie).await, DenialReason::Unbound);
}

/// The reading saw the session live, and its answer comes after the session's end was heard.
#[tokio::test(start_paused = true)]
async fn a_reading_that_began_before_an_ending_is_not_remembered_after_it() {
    let nodes = Nodes::start(100, WhenBehind::AskStore).await;
    let (session, cookie) = login(&nodes.here).await;
    nodes.calls.holds.store(true, Ordering::SeqCst);
    let (node, text) = (nodes.here.clone(), cookie.clone());
    let late = tokio::spawn(async move { node.touch(&text).await });
    nodes.calls.held.notified().await;
    let ended = nodes.here.revoke(session.id, RevokeReason::Admin).await;
    assert!(ended.unwrap());
    nodes.calls.go_on.notify_one();
    // This request was under way when the session was ended.
    let _accepted = late.await.unwrap().unwrap();
    assert_eq!(nodes.refused(&cookie).await, DenialReason::Revoked);
}

#[tokio::test(start_paused = true)]
async fn nothing_that_is_remembered_counts_while_the_feed_is_behind() {
    for when in [WhenBehind::Accept, WhenBehind::AskStore, WhenBehind::Refuse] {
        let store = Arc::new(MemoryStore::new(100, &[7; 32]));
        let clock = TestClock::new();
        let node = build(store, Policy::default(), &clock, 100, when).unwrap();
        node.catch_up().await.unwrap();
        let (session, cookie) = login(&node).await;
        let _accepted = node.touch(&cookie).await.unwrap();
        // Nobody follows the feed, so no heartbeat comes back.
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert!(!node.revocations_are_live());
        let hits = node.session_cache_counts().hits;
        let answer = node.touch(&cookie).await;
        if when == WhenBehind::Refuse {
            assert!(matches!(answer, Err(RefreshError::Behind)));
        } else {
            assert_eq!(answer.unwrap().session().id, session.id);
        }
        assert_eq!(node.session_cache_counts().hits, hits);
    }
}

#[tokio::test(start_paused = true)]
async fn a_gap_forgets_everything() {
    let nodes = Nodes::start(100, WhenBehind::AskStore).await;
    let (_, cookie) = login(&nodes.here).await;
    assert_eq!(nodes.use_it(&cookie, 2).await, 1);
    // It counts as a gap: nothing was heard before it.
    nodes.here.catch_up().await.unwrap();
    assert!(nodes.here.revocations_are_live());
    assert_eq!(nodes.use_it(&cookie, 2).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_remembered_ends_at_its_deadline() {
    let policy = Policy::builder().absolute_lifetime(Duration::from_secs(100));
    let policy = policy.build().unwrap();
    let nodes = Nodes::under(policy, 100, WhenBehind::AskStore).await;
    let (_, cookie) = login(&nodes.here).await;
    nodes.wait(Duration::from_secs(99)).await;
    for loads in [1, 0] {
        let before = nodes.loads();
        let _accepted = nodes.here.look(&cookie).await.unwrap();
        assert_eq!(nodes.loads() - before, loads);
    }
    nodes.wait(Duration::from_secs(1)).await;
    assert_eq!(nodes.refused(&cookie).await, DenialReason::Expired);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_asks_the_store() {
    let nodes = Nodes::start(100, WhenBehind::AskStore).await;
    let (_, cookie) = login(&nodes.here).await;
    nodes.use_it(&cookie, 1).await;
    let back: UnixTime = nodes.here.now() - Duration::from_secs(1);
    nodes.clock.set(back);
    assert_eq!(nodes.use_it(&cookie, 1).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_refuses_nobody_whose_session_is_known() {
    let nodes = Nodes::start(100, WhenBehind::AskStore).await;
    let (_, cookie) = login(&nodes.here).await;
    nodes.use_it(&cookie, 1).await;
    nodes.calls.fails.store(true, Ordering::SeqCst);
    nodes.use_it(&cookie, 5).await;
    // Also if its deadline cannot be moved.
    nodes.calls.fails.store(false, Ordering::SeqCst);
    nodes.wait(TOUCH).await;
    nodes.calls.fails.store(true, Ordering::SeqCst);
    let accepted = nodes.here.touch(&cookie).await;
    assert!(matches!(accepted, Ok(session) if !session.slid()));
}

#[tokio::test(start_paused = true)]
async fn no_more_sessions_are_remembered_than_there_is_room_for() {
    let nodes = Nodes::start(64, WhenBehind::AskStore).await;
    for _ in 0..1000 {
        let (_, cookie) = login(&nodes.here).await;
        nodes.use_it(&cookie, 1).await;
    }
    assert!(nodes.here.session_cache_counts().entries <= 64);
}

#[tokio::test(start_paused = true)]
async fn a_cookie_that_was_made_up_forgets_nothing() {
    let nodes = Nodes::start(100, WhenBehind::AskStore).await;
    let (_, cookie) = login(&nodes.here).await;
    nodes.use_it(&cookie, 1).await;
    let (id, _) = cookie.split_at(24);
    let made_up = format!("{id}{}", "A".repeat(43));
    assert_eq!(nodes.refused(&made_up).await, DenialReason::Malformed);
    assert_eq!(nodes.use_it(&cookie, 5).await, 0);
}
