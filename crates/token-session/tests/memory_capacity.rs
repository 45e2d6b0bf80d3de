//! How many sessions the memory store holds, and what makes room.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use token_core::session::{Change, Touch};
use token_core::{Policy, RevokeReason, Session, SessionId, UnixTime};
use token_session::store::Created;
use token_session::test_util::TestManager;
use token_session::{LoginError, MemoryStore, NewSession, SessionStore as _, StoreError};

fn holding(capacity: usize) -> TestManager {
    let store = MemoryStore::new(capacity, &[7; 32]);
    TestManager::with_store(store, Policy::default(), |builder| builder)
}

async fn login(test: &TestManager, subject: &str) -> Result<(), LoginError> {
    let ticket = test.manager.begin_login(subject.parse().unwrap()).await;
    let issued = test.manager.login(ticket.unwrap(), NewSession::default());
    issued.await.map(drop)
}

#[tokio::test]
async fn one_subject_may_have_as_many_sessions_as_the_store_holds_and_no_more() {
    let test = holding(100);
    for _ in 0..100 {
        login(&test, "alice").await.unwrap();
    }
    for subject in ["alice", "bob"] {
        let error = login(&test, subject).await.unwrap_err();
        assert!(
            format!("{error:?}").contains("capacity: 100"),
            "{subject}: {error:?}"
        );
    }
    let subject = "alice".parse().unwrap();
    assert_eq!(test.manager.sessions(&subject).await.unwrap().len(), 100);
}

#[tokio::test]
async fn an_expired_session_of_any_subject_makes_room() {
    let test = holding(50);
    for number in 0..50 {
        login(&test, &format!("user-{number}")).await.unwrap();
    }
    login(&test, "late").await.unwrap_err();
    test.clock.advance(Duration::from_hours(30 * 24));
    for _ in 0..50 {
        login(&test, "late").await.unwrap();
    }
    login(&test, "late").await.unwrap_err();
}

#[tokio::test]
async fn a_logout_makes_room_once_its_tombstone_has_had_its_time() {
    let test = holding(1);
    login(&test, "alice").await.unwrap();
    let subject = "alice".parse().unwrap();
    let ended = test
        .manager
        .revoke_all(&subject, RevokeReason::Logout)
        .await;
    assert_eq!(ended.unwrap().len(), 1);
    login(&test, "bob").await.unwrap_err();
    test.clock.advance(Duration::from_hours(3 * 24));
    login(&test, "bob").await.unwrap();
}

#[tokio::test]
async fn a_login_that_is_refused_takes_no_place() {
    let test = holding(1);
    let subject = "alice".parse().unwrap();
    for _ in 0..3 {
        let ticket = test.manager.begin_login("alice".parse().unwrap()).await;
        let ended = test.manager.revoke_all(&subject, RevokeReason::Admin).await;
        assert!(ended.unwrap().is_empty());
        let late = test
            .manager
            .login(ticket.unwrap(), NewSession::default())
            .await;
        late.unwrap_err();
    }
    login(&test, "alice").await.unwrap();
}

#[tokio::test]
async fn a_purge_makes_room() {
    let test = holding(2);
    login(&test, "alice").await.unwrap();
    login(&test, "bob").await.unwrap();
    test.clock.advance(Duration::from_hours(400 * 24));
    assert_eq!(test.manager.delete_expired(1000).await.unwrap(), 2);
    for _ in 0..2 {
        login(&test, "carol").await.unwrap();
    }
    login(&test, "carol").await.unwrap_err();
}

/// A full store with sessions of one user, so in one shard, of which some expire at an instant. All seem to:
/// the others were used, and where they are was noted before.
async fn full(capacity: usize, expire: &[usize]) -> (MemoryStore, Session) {
    let mut session = holding(1)
        .login("alice", "notes:read")
        .await
        .session()
        .clone();
    let store = MemoryStore::new(capacity, &[7; 32]);
    let mut id = [0; 18];
    id[0] = store.bucket(&session.subject).0;
    let expiry = session.idle_expires_at;
    for number in 0..=capacity {
        id[10..].copy_from_slice(&number.to_be_bytes());
        session.id = SessionId::from_bytes(id);
        if number == capacity {
            session.created_at = expiry;
            break;
        }
        let _ = store.create(&session, None).await.unwrap();
        if !expire.contains(&number) {
            let mut touch = Touch::new(&session, expiry - Duration::from_secs(1));
            touch.slide.idle_expires_at = expiry + Duration::from_secs(100);
            let _ = store.commit(&Change::Touch(touch)).await.unwrap();
        }
    }
    (store, session)
}

/// It holds the runtime up, so it must not look at every session. They are looked at 256 at a time; what the first login
/// has found out the second need not.
#[tokio::test]
async fn a_login_into_a_full_store_looks_at_four_times_256_sessions_and_the_next_one_goes_on() {
    let (store, session) = full(6 * 256, &[4 * 256]).await;
    store.create(&session, None).await.unwrap_err();
    let made = store.create(&session, None).await;
    assert!(matches!(made, Ok(Created::Applied(_))));
}

#[tokio::test]
async fn a_login_into_a_full_store_forgets_no_more_once_there_is_room() {
    let (store, session) = full(2 * 256, &[0, 256]).await;
    assert!(!store.is_empty());
    // A node in this process hears at once, so it need not read often.
    assert_eq!(store.catch_up_interval(), Duration::from_mins(1));
    let _ = store.create(&session, None).await.unwrap();
    assert_eq!(store.len(), 2 * 256);
}

/// Others may want the thread: it is given back after four times 256 sessions.
#[tokio::test]
async fn a_purge_lets_others_run_meanwhile() {
    let all: Vec<_> = (0..9 * 256).collect();
    let (store, _) = full(all.len(), &all).await;
    let mut polls = 0;
    let mut purge = pin!(store.purge(UnixTime::MAX, u32::MAX));
    let purged = poll_fn(|context| {
        polls += 1;
        purge.as_mut().poll(context)
    });
    assert_eq!(purged.await.unwrap(), 9 * 256);
    assert_eq!(polls, 3);
}

#[tokio::test(start_paused = true)]
async fn a_login_into_a_full_store_is_tried_once() {
    let test = holding(1);
    login(&test, "alice").await.unwrap();
    let start = tokio::time::Instant::now();
    let error = login(&test, "bob").await.unwrap_err();
    assert!(
        matches!(error, LoginError::Store(StoreError::Lasting(_))),
        "{error:?}"
    );
    // There is a pause before each repetition.
    assert_eq!(start.elapsed(), Duration::ZERO);
}
