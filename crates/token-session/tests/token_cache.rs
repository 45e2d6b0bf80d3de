//! The cache of verified tokens behind the driver: it saves the cryptography and nothing else.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use token_core::{NoClaims, Policy, RevokeReason};
use token_session::test_util::TestManager;
use token_session::{AccessError, CacheCounts, MemoryStore, RevocationCheck, WhenBehind};

fn checked_by(check: RevocationCheck) -> TestManager {
    let store = MemoryStore::new(100, &[7; 32]);
    TestManager::with_store(store, Policy::default(), |builder| {
        builder.revocation_check(check)
    })
}

#[tokio::test]
async fn a_known_token_is_refused_once_its_session_was_ended() {
    for check in [
        RevocationCheck::Store,
        RevocationCheck::Feed(WhenBehind::Refuse),
    ] {
        let test = checked_by(check);
        test.manager.catch_up().await.unwrap();
        let issued = test.login("alice", "").await;
        let token = issued.tokens().unwrap().access_token.secret();
        for hits in 0..3 {
            let access = test.manager.authenticate::<NoClaims>(token).await.unwrap();
            assert_eq!(access.claims().session_id, issued.session().id);
            assert_eq!(test.manager.token_cache_counts().hits, hits);
        }
        let session = issued.session().id;
        let ended = test.manager.revoke(session, RevokeReason::Admin).await;
        assert!(ended.unwrap());
        let refused = test.manager.authenticate::<NoClaims>(token).await;
        assert!(matches!(refused, Err(AccessError::Revoked { .. })));
        assert_eq!(test.manager.token_cache_counts().hits, 3, "it was known");
    }
}

#[tokio::test]
async fn a_known_token_ends_with_its_life() {
    let test = checked_by(RevocationCheck::None);
    let token = test.access_token("alice", "").await;
    for _ in 0..2 {
        let access = test.manager.authenticate::<NoClaims>(&token).await;
        assert!(access.is_ok());
    }
    test.clock.advance(Duration::from_mins(5));
    let refused = test.manager.authenticate::<NoClaims>(&token).await;
    assert!(matches!(refused, Err(AccessError::Invalid(_))));
}

#[tokio::test]
async fn it_can_be_switched_off() {
    let store = MemoryStore::new(100, &[7; 32]);
    let test = TestManager::with_store(store, Policy::default(), |builder| builder.token_cache(0));
    let token = test.access_token("alice", "").await;
    for _ in 0..2 {
        let access = test.manager.authenticate::<NoClaims>(&token).await;
        assert!(access.is_ok());
    }
    assert_eq!(test.manager.token_cache_counts(), CacheCounts::default());
}
