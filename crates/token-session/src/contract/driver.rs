//! The driver on a store that fails: at each call once, before it did anything or after.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use token_core::{Authentication, NoClaims, Policy, Subject};

use super::world::{World, secs};
use crate::error::RefreshError;
use crate::manager::{NewSession, Presented, SessionCredential};
use crate::store::SessionStore;
use crate::test_util::{Injected, TestManager, Trouble, TroubledStore};

/// Runs a login, refreshes, a step-up and a logout while one call to the store fails, for
/// each call and both ways. The client repeats what failed within the grace. Nobody is
/// logged out by it, no session forks, and after the logout nothing works.
pub async fn a_failure_at_any_call_forks_and_ends_nothing<S: SessionStore>(mut world: World<S>) {
    for after in [false, true] {
        for call in 0.. {
            let trouble = Arc::new(OneFails {
                calls: AtomicU64::new(0),
                fails: call,
                after,
            });
            let faulty = TroubledStore::new(Arc::clone(&world.store), Arc::clone(&trouble));
            // Here the client repeats what failed; how the driver does is tested apart.
            let test = TestManager::with_store(faulty, Policy::default(), |builder| {
                builder.store_retries(0)
            });
            let subject = world.subject();
            a_day(&test, subject).await;
            if trouble.calls.load(Ordering::SeqCst) <= call {
                break; // every call has failed once
            }
        }
    }
}

async fn a_day(test: &TestManager, subject: Subject) {
    let manager = &test.manager;
    let issued = loop {
        let Ok(ticket) = manager.begin_login(subject.clone()).await else {
            continue;
        };
        if let Ok(issued) = manager.login(ticket, NewSession::default()).await {
            break issued;
        }
    };
    let session = issued.session().id;
    let mut token = text(&issued);
    let mut seen = vec![token.clone()];
    for _ in 0..3 {
        test.clock.advance(secs(100));
        token = retry(test, async || manager.refresh(&token, None).await).await;
        // A second tab gets the same.
        let other = retry(test, async || {
            manager.refresh(seen.last().expect("the first"), None).await
        });
        assert_eq!(other.await, token, "one branch");
        seen.push(token.clone());
    }
    test.clock.advance(secs(100));
    let renewed = retry(test, async || {
        let credential = SessionCredential::Refresh(manager.verify_refresh_token(&token)?);
        let authentication = Authentication::password(manager.now());
        manager.step_up(&credential, authentication).await
    });
    token = renewed.await;
    let live = manager.sessions(&subject);
    let live = match live.await {
        Ok(live) => live,
        Err(_) => manager.sessions(&subject).await.expect("one call fails"),
    };
    // A login that failed after its insert leaves a session that nobody can use.
    assert!(
        live.iter()
            .any(|live| live.id == session && live.generation.0 == 4)
    );

    let access = manager.refresh(&token, None).await;
    let access = match access {
        Ok(issued) => issued,
        Err(_) => manager.refresh(&token, None).await.expect("one call fails"),
    };
    let access = access
        .tokens()
        .expect("header")
        .access_token
        .secret()
        .to_owned();
    if manager.logout(Presented::Refresh(&token)).await.is_err() {
        manager
            .logout(Presented::Refresh(&token))
            .await
            .expect("one call fails");
    }
    test.clock.advance(secs(1));
    for old in seen.iter().chain([&token]) {
        let refused = match manager.refresh(old, None).await {
            Err(RefreshError::Store(_)) => manager.refresh(old, None).await,
            other => other,
        };
        assert!(
            matches!(refused, Err(RefreshError::Denied(_))),
            "{refused:?}"
        );
    }
    assert!(manager.authenticate::<NoClaims>(&access).await.is_err());
}

/// Repeats a failed call a second later, as a client does. A refusal is a fault of the test.
async fn retry(
    test: &TestManager,
    call: impl AsyncFn() -> Result<crate::manager::Issued, RefreshError>,
) -> String {
    for _ in 0..3 {
        match call().await {
            Ok(issued) => return text(&issued),
            Err(RefreshError::Store(_)) => test.clock.advance(secs(1)),
            Err(refused) => panic!("an honest client was refused: {refused}"),
        }
    }
    panic!("more than one call failed");
}

fn text(issued: &crate::manager::Issued) -> String {
    issued
        .tokens()
        .expect("header")
        .refresh_token
        .secret()
        .to_owned()
}

/// One call fails.
struct OneFails {
    calls: AtomicU64,
    fails: u64,
    after: bool,
}

impl Trouble for OneFails {
    async fn before(&self, _: &'static str) -> Result<(), Injected> {
        let fails = self.calls.fetch_add(1, Ordering::SeqCst) == self.fails;
        if fails && !self.after {
            return Err(Injected);
        }
        Ok(())
    }

    async fn after(&self, _: &'static str) -> Result<(), Injected> {
        // Calls are made one after the other.
        let fails = self.calls.load(Ordering::SeqCst) == self.fails + 1;
        if fails && self.after {
            return Err(Injected);
        }
        Ok(())
    }
}
