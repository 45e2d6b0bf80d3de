//! The driver on a store that fails: at each call once, before it did anything or after.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use thiserror::Error;
use token_core::change::{Change, Committed, Ending};
use token_core::id::Bucket;
use token_core::session::{Authentication, Epoch, SessionData};
use token_core::{NoClaims, Policy, Session, SessionId, Subject, UnixTime};
use tokio::sync::broadcast;

use super::world::{World, secs};
use crate::error::RefreshError;
use crate::manager::{NewSession, Presented, Renewal};
use crate::store::{
    Commit, Created, DataWrite, DataWritten, Ended, Heartbeat, Notice, Revoke, SessionStore,
    SubjectEnding,
};
use crate::test_util::TestManager;
use std::sync::Arc;

/// Runs a login, refreshes, a step-up and a logout while one call to the store fails, for
/// each call and both ways. The client repeats what failed within the grace. Nobody is
/// logged out by it, no session forks, and after the logout nothing works.
pub async fn a_failure_at_any_call_forks_and_ends_nothing<S: SessionStore>(mut world: World<S>) {
    for after in [false, true] {
        for call in 0.. {
            let faulty = Faulty::new(Arc::clone(&world.store), call, after);
            let calls = Arc::clone(&faulty.calls);
            // Here the client repeats what failed; how the driver does is tested apart.
            let test = TestManager::with_store(faulty, Policy::default(), |builder| {
                builder.store_retries(0)
            });
            let subject = world.subject();
            a_day(&test, subject).await;
            if calls.load(Ordering::SeqCst) <= call {
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
        manager
            .step_up(
                Renewal::Refresh(&token),
                Authentication::password(manager.now()),
            )
            .await
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
            .any(|live| live.id == session && live.generation.as_u64() == 4)
    );

    let access = manager.refresh(&token, None).await;
    let access = match access {
        Ok(issued) => issued,
        Err(_) => manager.refresh(&token, None).await.expect("one call fails"),
    };
    let access = access
        .tokens()
        .expect("header")
        .access_token()
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
        .refresh_token()
        .secret()
        .to_owned()
}

/// A store of which one call fails.
struct Faulty<S> {
    store: Arc<S>,
    calls: Arc<AtomicU64>,
    fails: u64,
    after: bool,
}

#[derive(Debug, Error)]
enum Fault<E: Error> {
    #[error("the call was made to fail")]
    Injected,
    #[error(transparent)]
    Store(E),
}

impl<S: SessionStore> Faulty<S> {
    fn new(store: Arc<S>, fails: u64, after: bool) -> Self {
        Self {
            store,
            calls: Arc::default(),
            fails,
            after,
        }
    }

    async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, S::Error>>,
    ) -> Result<T, Fault<S::Error>> {
        let fails = self.calls.fetch_add(1, Ordering::SeqCst) == self.fails;
        if fails && !self.after {
            return Err(Fault::Injected);
        }
        let answer = call.await.map_err(Fault::Store)?;
        if fails {
            Err(Fault::Injected)
        } else {
            Ok(answer)
        }
    }
}

impl<S: SessionStore> SessionStore for Faulty<S> {
    type Error = Fault<S::Error>;

    fn bucket(&self, subject: &Subject) -> Bucket {
        self.store.bucket(subject)
    }

    async fn epoch(&self, subject: &Subject) -> Result<Epoch, Self::Error> {
        self.call(self.store.epoch(subject)).await
    }

    async fn create(&self, session: &Session) -> Result<Created, Self::Error> {
        self.call(self.store.create(session)).await
    }

    async fn load(&self, id: SessionId) -> Result<Option<Committed<Session>>, Self::Error> {
        self.call(self.store.load(id)).await
    }

    async fn commit(&self, change: &Change) -> Result<Commit, Self::Error> {
        self.call(self.store.commit(change)).await
    }

    async fn revoke(&self, ending: &Ending) -> Result<Revoke, Self::Error> {
        self.call(self.store.revoke(ending)).await
    }

    async fn revoke_subject(&self, ending: &SubjectEnding) -> Result<Vec<SessionId>, Self::Error> {
        self.call(self.store.revoke_subject(ending)).await
    }

    async fn list(&self, subject: &Subject) -> Result<Vec<Committed<Session>>, Self::Error> {
        self.call(self.store.list(subject)).await
    }

    async fn load_data(&self, id: SessionId) -> Result<Option<SessionData>, Self::Error> {
        self.call(self.store.load_data(id)).await
    }

    async fn write_data(&self, write: &DataWrite) -> Result<DataWritten, Self::Error> {
        self.call(self.store.write_data(write)).await
    }

    async fn purge(&self, before: UnixTime, limit: u32) -> Result<u64, Self::Error> {
        self.call(self.store.purge(before, limit)).await
    }

    async fn revocations(&self, since: UnixTime) -> Result<Vec<Ended>, Self::Error> {
        self.call(self.store.revocations(since)).await
    }

    fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.store.subscribe()
    }

    async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<bool, Self::Error> {
        self.call(self.store.heartbeat(heartbeat)).await
    }

    fn catch_up_interval(&self) -> Duration {
        self.store.catch_up_interval()
    }
}
