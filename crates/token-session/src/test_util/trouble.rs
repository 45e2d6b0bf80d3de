//! A store that fails, hangs or hesitates, for tests of what an application does then.

use std::error::Error;
use std::future::{Future, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use thiserror::Error;
use token_core::session::{Change, Committed, Ending, Epoch};
use token_core::types::Bucket;
use token_core::{Session, SessionId, Subject, UnixTime};
use tokio::sync::broadcast;

use crate::session_data::SessionData;
use crate::store::{
    Commit, Created, DataWrite, DataWritten, Ended, Heartbeat, Notice, Revoke, SessionStore,
    SubjectEnding,
};

/// What happens to the calls of a [`TroubledStore`]. If a future stays pending, the store hangs.
pub trait Trouble: Send + Sync + 'static {
    /// Before a call, by the name of its method; an error: nothing is done.
    fn before(&self, call: &'static str) -> impl Future<Output = Result<(), Injected>> + Send {
        let _ = call;
        ready(Ok(()))
    }

    /// After a call that has worked; an error: it is done, and its answer is lost.
    fn after(&self, call: &'static str) -> impl Future<Output = Result<(), Injected>> + Send {
        let _ = call;
        ready(Ok(()))
    }
}

impl<T: Trouble> Trouble for Arc<T> {
    fn before(&self, call: &'static str) -> impl Future<Output = Result<(), Injected>> + Send {
        T::before(self, call)
    }

    fn after(&self, call: &'static str) -> impl Future<Output = Result<(), Injected>> + Send {
        T::after(self, call)
    }
}

/// A store that nobody can reach from [`begin`](Self::begin) to [`end`](Self::end). Clones are the
/// same outage.
///
/// ```
/// use token_core::Policy;
/// use token_session::test_util::{Outage, TestManager, TroubledStore};
/// use token_session::{MemoryStore, RefreshError};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let outage = Outage::default();
/// let store = TroubledStore::new(MemoryStore::with_capacity(100), outage.clone());
/// let test = TestManager::with_store(store, Policy::default(), |builder| builder);
/// let issued = test.login("alice", "").await;
/// let token = issued.tokens().expect("the transport is `header`").refresh_token.secret();
///
/// outage.begin();
/// let refused = test.manager.refresh(token, None).await;
/// assert!(matches!(refused, Err(RefreshError::Store(_)))); // 503, and nobody is logged out
/// outage.end();
/// assert!(test.manager.refresh(token, None).await.is_ok());
/// # });
/// ```
#[derive(Clone, Debug, Default)]
pub struct Outage(Arc<AtomicBool>);

impl Outage {
    /// From now on each call fails and does nothing.
    pub fn begin(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// From now on calls work.
    pub fn end(&self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl Trouble for Outage {
    async fn before(&self, _: &'static str) -> Result<(), Injected> {
        if self.0.load(Ordering::SeqCst) {
            Err(Injected)
        } else {
            Ok(())
        }
    }
}

/// A store whose calls meet a [`Trouble`].
#[derive(Debug)]
pub struct TroubledStore<S, T> {
    store: S,
    trouble: T,
}

impl<S: SessionStore, T: Trouble> TroubledStore<S, T> {
    /// Puts the trouble before a store.
    pub const fn new(store: S, trouble: T) -> Self {
        Self { store, trouble }
    }

    /// The store behind the trouble.
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// The trouble.
    pub const fn trouble(&self) -> &T {
        &self.trouble
    }

    async fn meet<A>(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<A, S::Error>> + Send,
    ) -> Result<A, TroubledStoreError<S::Error>> {
        self.trouble.before(name).await?;
        let answer = call.await.map_err(TroubledStoreError::Store)?;
        let after = self.trouble.after(name).await;
        after.map_err(TroubledStoreError::AnswerLost)?;
        Ok(answer)
    }
}

/// A failure that a test made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the call was made to fail")]
#[expect(clippy::exhaustive_structs, reason = "tests make it")]
pub struct Injected;

/// Why a call to a [`TroubledStore`] failed.
#[derive(Debug, Error)]
#[expect(clippy::exhaustive_enums, reason = "by the test, or by the store")]
pub enum TroubledStoreError<E: Error> {
    /// The test made it fail after it had worked.
    #[error("the answer to the call was lost")]
    AnswerLost(#[source] Injected),
    /// The test made it fail, and nothing was done.
    #[error(transparent)]
    Injected(#[from] Injected),
    /// The store behind it failed.
    #[error(transparent)]
    Store(E),
}

/// Passes calls on, each with its trouble.
macro_rules! troubled {
    ($($name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {$(
        async fn $name(&self, $($argument: $type),*) -> Result<$answer, Self::Error> {
            self.meet(stringify!($name), self.store.$name($($argument),*)).await
        }
    )*};
}

impl<S: SessionStore, T: Trouble> SessionStore for TroubledStore<S, T> {
    type Error = TroubledStoreError<S::Error>;

    fn bucket(&self, subject: &Subject) -> Bucket {
        self.store.bucket(subject)
    }

    troubled! {
        epoch(subject: &Subject) -> Epoch;
        create(session: &Session, data: Option<&str>) -> Created;
        load(id: SessionId) -> Option<Committed<Session>>;
        commit(change: &Change) -> Commit;
        revoke(ending: &Ending) -> Revoke;
        revoke_subject(ending: &SubjectEnding) -> Vec<SessionId>;
        list(subject: &Subject) -> Vec<Committed<Session>>;
        load_data(id: SessionId) -> Option<SessionData>;
        write_data(write: &DataWrite) -> DataWritten;
        purge(before: UnixTime, limit: u32) -> u64;
        revocations(since: UnixTime) -> Vec<Ended>;
        heartbeat(heartbeat: Heartbeat) -> bool;
        changed_elsewhere() -> bool;
    }

    fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.store.subscribe()
    }

    fn catch_up_interval(&self) -> Duration {
        self.store.catch_up_interval()
    }

    fn wrote_nothing(error: &Self::Error) -> bool {
        match error {
            TroubledStoreError::AnswerLost(_) => false,
            TroubledStoreError::Injected(_) => true,
            TroubledStoreError::Store(error) => S::wrote_nothing(error),
        }
    }
}
