//! Boundaries at which an ended session would live on, or a live one would be refused.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use token_core::session::{Ending, Revocation};
use token_core::{NoClaims, Policy, RevokeReason, SessionId, UnixTime};
use token_session::test_util::{
    Injected, Outage, TestClock, TestManager, Trouble, TroubledStore, test_issuer,
};
use token_session::{
    AccessError, MemoryStore, RefreshError, RevocationCheck, SessionManager, SessionStore as _,
    WhenBehind,
};

fn token(issued: &token_session::Issued) -> String {
    issued.tokens().unwrap().refresh_token.secret().to_owned()
}

/// Loses the answer to one refresh, and ends its session before that is repeated.
struct EndedMeanwhile {
    store: Arc<MemoryStore>,
    session: OnceLock<(SessionId, UnixTime)>,
    done: AtomicBool,
}

impl Trouble for EndedMeanwhile {
    async fn after(&self, call: &'static str) -> Result<(), Injected> {
        let Some((id, at)) = self.session.get().copied() else {
            return Ok(());
        };
        if call != "commit" || self.done.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        let revocation = Revocation {
            at,
            reason: RevokeReason::Admin,
        };
        let ending = Ending {
            id,
            revocation,
            purge_at: UnixTime::MAX,
        };
        let _ = self.store.revoke(&ending).await.unwrap();
        Err(Injected)
    }
}

#[tokio::test]
async fn a_refresh_whose_answer_was_lost_does_not_count_if_its_session_was_ended_since() {
    let store = Arc::new(MemoryStore::new(100, &[7; 32]));
    let trouble = Arc::new(EndedMeanwhile {
        store: Arc::clone(&store),
        session: OnceLock::new(),
        done: AtomicBool::new(false),
    });
    let troubled = TroubledStore::new(store, Arc::clone(&trouble));
    let test = TestManager::with_store(troubled, Policy::default(), |builder| builder);
    let issued = test.login("alice", "").await;
    let session = issued.session();
    trouble
        .session
        .set((session.id, session.created_at))
        .unwrap();
    test.clock.advance(Duration::from_secs(100));
    let refused = test.manager.refresh(&token(&issued), None).await;
    assert!(
        matches!(refused, Err(RefreshError::Denied(_))),
        "{refused:?}"
    );
    assert!(trouble.done.load(Ordering::SeqCst));
}

#[tokio::test]
async fn what_a_node_with_a_slow_clock_has_ended_is_remembered_as_long_as_its_tokens_live() {
    let store = Arc::new(MemoryStore::new(100, &[7; 32]));
    let policy = Policy::default();
    let check = RevocationCheck::Feed(WhenBehind::Accept);
    let test = TestManager::with_store(Arc::clone(&store), policy.clone(), |builder| {
        builder.revocation_check(check)
    });
    // The other node's clock is as late as clocks may be.
    let late = TestClock::new();
    test.clock.advance(policy.tolerance());
    let issued = test.login("alice", "").await;
    let access = issued.tokens().unwrap().access_token.secret();
    let other = SessionManager::builder(store, test_issuer(policy.clone()));
    let other = other.clock(late).build().unwrap();
    let id = issued.session().id;
    assert!(other.revoke(id, RevokeReason::Admin).await.unwrap());

    test.clock.advance(
        policy
            .access_lifetime()
            .saturating_sub(Duration::from_secs(1)),
    );
    test.manager.catch_up().await.unwrap();
    let refused = test.manager.authenticate::<NoClaims>(access).await;
    assert!(
        matches!(refused, Err(AccessError::Revoked { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn the_store_is_asked_about_a_token_that_the_view_may_have_forgotten_and_no_sooner() {
    let outage = Outage::default();
    let store = TroubledStore::new(MemoryStore::new(100, &[7; 32]), outage.clone());
    let policy = Policy::default();
    let check = RevocationCheck::Feed(WhenBehind::Accept);
    let test = TestManager::with_store(store, policy.clone(), |builder| {
        builder.revocation_check(check)
    });
    let issued = test.login("alice", "").await;
    let access = issued.tokens().unwrap().access_token.secret();
    let token = test.manager.authenticate::<NoClaims>(access).await.unwrap();
    outage.begin();
    test.clock.advance(policy.access_lifetime());
    test.manager.refuse_ended(token.claims()).await.unwrap();
    test.clock.advance(Duration::from_secs(1));
    let unknown = test.manager.refuse_ended(token.claims()).await;
    assert!(matches!(unknown, Err(AccessError::Store(_))), "{unknown:?}");
}
