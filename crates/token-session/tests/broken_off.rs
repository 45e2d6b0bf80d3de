//! Where something goes wrong: the revocation view never passes for complete when it is not, and a
//! client that breaks off keeps nothing from being noted.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use token_core::session::{Change, Committed, Ending, Epoch};
use token_core::types::Bucket;
use token_core::{NoClaims, Policy, RevokeReason, Session, SessionId, Subject, UnixTime};
use token_session::event::{Event, EventKind};
use token_session::store::{
    Commit, Created, DataWrite, DataWritten, Ended, Heartbeat, Notice, Revoke, SessionData,
    SessionStore, SubjectEnding,
};
use token_session::test_util::TestManager;
use token_session::{AccessError, Issued, MemoryStore, Presented, RevocationCheck, WhenBehind};
use tokio::sync::broadcast;

/// A memory store that can refuse to say what was ended, and that gives no live notice.
struct Deaf {
    store: MemoryStore,
    off: Arc<AtomicBool>,
    notices: broadcast::Sender<Notice>,
}

macro_rules! passed_on {
    ($($name:ident($($arg:ident: $type:ty),*) -> $out:ty;)*) => {$(
        async fn $name(&self, $($arg: $type),*) -> Result<$out, Self::Error> {
            Ok(self.store.$name($($arg),*).await.unwrap())
        }
    )*};
}

impl SessionStore for Deaf {
    type Error = std::io::Error;

    fn bucket(&self, subject: &Subject) -> Bucket {
        self.store.bucket(subject)
    }

    passed_on! {
        epoch(subject: &Subject) -> Epoch;
        create(session: &Session, data: Option<&str>) -> Created;
        load(id: SessionId) -> Option<Committed<Session>>;
        commit(change: &Change) -> Commit;
        list(subject: &Subject) -> Vec<Committed<Session>>;
        load_data(id: SessionId) -> Option<SessionData>;
        write_data(write: &DataWrite) -> DataWritten;
        purge(before: UnixTime, limit: u32) -> u64;
    }

    // Both have written before the caller can break them off.
    async fn revoke(&self, ending: &Ending) -> Result<Revoke, Self::Error> {
        let ended = self.store.revoke(ending).await.unwrap();
        tokio::task::yield_now().await;
        Ok(ended)
    }

    async fn revoke_subject(&self, ending: &SubjectEnding) -> Result<Vec<SessionId>, Self::Error> {
        let ended = self.store.revoke_subject(ending).await.unwrap();
        tokio::task::yield_now().await;
        Ok(ended)
    }

    async fn revocations(&self, since: UnixTime) -> Result<Vec<Ended>, Self::Error> {
        if self.off.load(Ordering::SeqCst) {
            return Err(std::io::ErrorKind::ConnectionRefused.into());
        }
        tokio::task::yield_now().await; // so that a caller can break it off
        Ok(self.store.revocations(since).await.unwrap())
    }

    fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }

    async fn heartbeat(&self, _: Heartbeat) -> Result<bool, Self::Error> {
        Ok(false) // reading alone proves
    }

    fn catch_up_interval(&self) -> Duration {
        self.store.catch_up_interval()
    }
}

struct World {
    node: TestManager,
    off: Arc<AtomicBool>,
    events: Arc<Mutex<Vec<EventKind>>>,
}

impl World {
    fn new(view_capacity: usize) -> Self {
        let store = MemoryStore::new(10_000, &[7; 32]);
        let off: Arc<AtomicBool> = Arc::default();
        let deaf = Deaf {
            store,
            off: Arc::clone(&off),
            notices: broadcast::channel(16).0,
        };
        let events = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&events);
        let node = TestManager::with_store(deaf, Policy::default(), |builder| {
            let check = RevocationCheck::Feed(WhenBehind::Refuse);
            let builder = builder.revocation_check(check).view_capacity(view_capacity);
            builder.events(move |event: Event| sink.lock().unwrap().push(event.kind))
        });
        Self { node, off, events }
    }

    async fn logins(&self, count: usize) -> Vec<Issued> {
        let mut issued = Vec::new();
        for _ in 0..count {
            issued.push(self.node.login("alice", "").await);
        }
        issued
    }

    async fn is_accepted(&self, issued: &Issued) -> bool {
        let token = issued.tokens().unwrap().access_token.secret();
        match self.node.manager.authenticate::<NoClaims>(token).await {
            Ok(_) => true,
            Err(AccessError::Behind | AccessError::Revoked { .. }) => false,
            Err(error) => panic!("{error}"),
        }
    }
}

async fn end(on: &TestManager, issued: &[Issued]) {
    for issued in issued {
        let id = issued.session().id;
        let ended = on.manager.revoke(id, RevokeReason::Admin);
        assert!(ended.await.unwrap());
    }
}

/// Lets a call begin, and drops it, as a server does when its client goes away.
async fn break_off(call: impl Future) {
    let mut call = Box::pin(call);
    let begun = poll_fn(|context| {
        assert!(call.as_mut().poll(context).is_pending());
        Poll::Ready(())
    });
    begun.await;
    drop(call);
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_view_that_had_no_room_stays_behind_until_it_was_read_again() {
    let world = World::new(16);
    world.node.manager.catch_up().await.unwrap();
    assert!(world.node.manager.revocations_are_live());
    let logins = world.logins(40).await;
    end(&world.node, &logins).await;
    assert!(!world.node.manager.revocations_are_live());

    // The store cannot be read: the view knows as little as before.
    world.off.store(true, Ordering::SeqCst);
    assert!(world.node.manager.catch_up().await.is_err());
    assert!(!world.node.manager.revocations_are_live());
    for login in &logins {
        assert!(!world.is_accepted(login).await, "it was ended");
    }

    // It can be, and there is still no room.
    world.off.store(false, Ordering::SeqCst);
    world.node.manager.catch_up().await.unwrap();
    assert!(!world.node.manager.revocations_are_live());
    for login in &logins {
        assert!(!world.is_accepted(login).await, "it was ended");
    }
}

#[tokio::test]
async fn a_catch_up_that_is_broken_off_completes_nothing() {
    let world = World::new(16);
    world.node.manager.catch_up().await.unwrap();
    let logins = world.logins(40).await;
    end(&world.node, &logins).await;
    break_off(world.node.manager.catch_up()).await;
    assert!(!world.node.manager.revocations_are_live());
}

#[tokio::test]
async fn a_client_that_breaks_off_keeps_no_ending_from_view_and_log() {
    let world = World::new(1000);
    let manager = &world.node.manager;
    manager.catch_up().await.unwrap();
    let logins = world.logins(3).await;
    world.events.lock().unwrap().clear();

    let token = logins[0].tokens().unwrap().refresh_token.secret();
    break_off(manager.logout(Presented::Refresh(token))).await;
    assert!(!world.is_accepted(&logins[0]).await);
    let logout = EventKind::Revoked(RevokeReason::Logout);
    assert_eq!(*world.events.lock().unwrap(), [logout]);

    // A thief, who would rather not be reported.
    let stolen = logins[1].tokens().unwrap().refresh_token.secret();
    let next = manager.refresh(stolen, None).await.unwrap();
    world.node.clock.advance(Duration::from_secs(36));
    world.events.lock().unwrap().clear();
    let mut thief = Box::pin(manager.refresh(stolen, None));
    for _ in 0..2 {
        // One poll a step: the conditional write misses, then the ending is under way.
        let polled = poll_fn(|context| Poll::Ready(thief.as_mut().poll(context).is_ready()));
        assert!(!polled.await);
    }
    drop(thief);
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert!(!world.is_accepted(&next).await);
    assert_eq!(*world.events.lock().unwrap(), [EventKind::Reused]);

    world.events.lock().unwrap().clear();
    break_off(manager.revoke_all(&"alice".parse().unwrap(), RevokeReason::LogoutAll)).await;
    assert!(!world.is_accepted(&logins[2]).await);
    let all = EventKind::Revoked(RevokeReason::LogoutAll);
    assert_eq!(*world.events.lock().unwrap(), [all]);
}
