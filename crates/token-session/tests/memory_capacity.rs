//! How many sessions the memory store holds, and what makes room.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use token_core::{Policy, RevokeReason};
use token_session::test_util::TestManager;
use token_session::{LoginError, MemoryStore, NewSession};

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
