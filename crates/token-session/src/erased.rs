//! The store behind a pointer, so that managers, extractors and states need no type
//! parameter.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use token_core::session::{Change, Committed, Ending, Epoch};
use token_core::types::Bucket;
use token_core::{Session, SessionId, Subject, UnixTime};
use tokio::sync::broadcast;

use crate::session_cache::Known;
use crate::session_data::SessionData;
use crate::store::{
    Commit, Created, DataWrite, DataWritten, Ended, Heartbeat, Notice, Revoke, SessionStore,
    SubjectEnding,
};

/// Why a store could not answer. After each of these but [`Unknown`](Self::Unknown) the call has
/// written nothing.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store reported an error, kept as it was.
    #[error("the session store failed")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
    /// The same, and it would at once again.
    #[error("the session store failed, and would again")]
    Lasting(#[source] Box<dyn Error + Send + Sync>),
    /// It gave no answer to a question in time.
    #[error("the session store gave no answer within {0:?}")]
    Timeout(Duration),
    /// A write failed or was not answered in time, and may have been done: it may be under way, or its answer
    /// may be lost. The source says what happened.
    #[error("it is unknown whether the session store has written what it was asked to")]
    Unknown(#[source] Box<dyn Error + Send + Sync>),
}

impl StoreError {
    /// The same for a call that had written something before it failed.
    pub(crate) fn after_a_write(self) -> Self {
        match self {
            Self::Unknown(source) => Self::Unknown(source),
            failed => Self::Unknown(Box::new(failed)),
        }
    }
}

/// Why one attempt at a call gave no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The store reported an error.
    Reported {
        error: Box<dyn Error + Send + Sync>,
        lasting: bool,
        wrote_nothing: bool,
    },
    /// There was no answer in time.
    Timeout(Duration),
}

impl Failure {
    /// Whether another attempt may help and there is time for it.
    pub(crate) const fn is_repeatable(&self) -> bool {
        matches!(self, Self::Reported { lasting: false, .. })
    }

    /// Whether the attempt, if it was a write, has certainly done nothing.
    pub(crate) const fn wrote_nothing(&self) -> bool {
        matches!(
            self,
            Self::Reported {
                wrote_nothing: true,
                ..
            }
        )
    }

    /// As the error of a call that has certainly written nothing.
    pub(crate) fn of_nothing_written(self) -> StoreError {
        match self {
            Self::Reported { error, lasting, .. } if lasting => StoreError::Lasting(error),
            Self::Reported { error, .. } => StoreError::Failed(error),
            Self::Timeout(limit) => StoreError::Timeout(limit),
        }
    }

    /// As the error of a write that may have been done.
    pub(crate) fn of_unknown_outcome(self) -> StoreError {
        match self {
            Self::Reported { error, .. } => StoreError::Unknown(error),
            Self::Timeout(limit) => StoreError::Unknown(Box::new(StoreError::Timeout(limit))),
        }
    }
}

/// A future of a store call.
pub(crate) type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'a>>;

/// [`SessionStore`] as a trait object; implemented for every store.
pub(crate) trait ErasedStore: Send + Sync {
    fn bucket(&self, subject: &Subject) -> Bucket;
    fn epoch<'a>(&'a self, subject: &'a Subject) -> StoreFuture<'a, Epoch>;
    fn create<'a>(
        &'a self,
        session: &'a Session,
        data: Option<&'a str>,
    ) -> StoreFuture<'a, Created>;
    /// Behind a pointer at once, so that nothing on its way moves the whole of it.
    fn load(&self, id: SessionId) -> StoreFuture<'_, Option<Known>>;
    /// Behind a pointer at once, as what is loaded.
    fn commit<'a>(&'a self, change: &'a Change) -> StoreFuture<'a, Box<Commit>>;
    fn revoke<'a>(&'a self, ending: &'a Ending) -> StoreFuture<'a, Revoke>;
    fn revoke_subject<'a>(&'a self, ending: &'a SubjectEnding) -> StoreFuture<'a, Vec<SessionId>>;
    fn list<'a>(&'a self, subject: &'a Subject) -> StoreFuture<'a, Vec<Committed<Session>>>;
    fn load_data(&self, id: SessionId) -> StoreFuture<'_, Option<SessionData>>;
    fn write_data<'a>(&'a self, write: &'a DataWrite) -> StoreFuture<'a, DataWritten>;
    fn purge(&self, before: UnixTime, limit: u32) -> StoreFuture<'_, u64>;
    fn revocations(&self, since: UnixTime) -> StoreFuture<'_, Vec<Ended>>;
    fn subscribe(&self) -> broadcast::Receiver<Notice>;
    fn heartbeat(&self, heartbeat: Heartbeat) -> StoreFuture<'_, bool>;
    fn changed_elsewhere(&self) -> StoreFuture<'_, bool>;
    fn catch_up_interval(&self) -> Duration;
}

impl<S: SessionStore> ErasedStore for S {
    fn bucket(&self, subject: &Subject) -> Bucket {
        SessionStore::bucket(self, subject)
    }

    fn epoch<'a>(&'a self, subject: &'a Subject) -> StoreFuture<'a, Epoch> {
        erase::<S, _>(SessionStore::epoch(self, subject))
    }

    fn create<'a>(
        &'a self,
        session: &'a Session,
        data: Option<&'a str>,
    ) -> StoreFuture<'a, Created> {
        erase::<S, _>(SessionStore::create(self, session, data))
    }

    fn load(&self, id: SessionId) -> StoreFuture<'_, Option<Known>> {
        erase::<S, _>(async move {
            let session = SessionStore::load(self, id).await?;
            Ok(session.map(Arc::new))
        })
    }

    fn commit<'a>(&'a self, change: &'a Change) -> StoreFuture<'a, Box<Commit>> {
        erase::<S, _>(async move { SessionStore::commit(self, change).await.map(Box::new) })
    }

    fn revoke<'a>(&'a self, ending: &'a Ending) -> StoreFuture<'a, Revoke> {
        erase::<S, _>(SessionStore::revoke(self, ending))
    }

    fn revoke_subject<'a>(&'a self, ending: &'a SubjectEnding) -> StoreFuture<'a, Vec<SessionId>> {
        erase::<S, _>(SessionStore::revoke_subject(self, ending))
    }

    fn list<'a>(&'a self, subject: &'a Subject) -> StoreFuture<'a, Vec<Committed<Session>>> {
        erase::<S, _>(SessionStore::list(self, subject))
    }

    fn load_data(&self, id: SessionId) -> StoreFuture<'_, Option<SessionData>> {
        erase::<S, _>(SessionStore::load_data(self, id))
    }

    fn write_data<'a>(&'a self, write: &'a DataWrite) -> StoreFuture<'a, DataWritten> {
        erase::<S, _>(SessionStore::write_data(self, write))
    }

    fn purge(&self, before: UnixTime, limit: u32) -> StoreFuture<'_, u64> {
        erase::<S, _>(SessionStore::purge(self, before, limit))
    }

    fn revocations(&self, since: UnixTime) -> StoreFuture<'_, Vec<Ended>> {
        erase::<S, _>(SessionStore::revocations(self, since))
    }

    fn subscribe(&self) -> broadcast::Receiver<Notice> {
        SessionStore::subscribe(self)
    }

    fn heartbeat(&self, heartbeat: Heartbeat) -> StoreFuture<'_, bool> {
        erase::<S, _>(SessionStore::heartbeat(self, heartbeat))
    }

    fn changed_elsewhere(&self) -> StoreFuture<'_, bool> {
        erase::<S, _>(SessionStore::changed_elsewhere(self))
    }

    fn catch_up_interval(&self) -> Duration {
        SessionStore::catch_up_interval(self)
    }
}

fn erase<'a, S: SessionStore, T>(
    call: impl Future<Output = Result<T, S::Error>> + Send + 'a,
) -> StoreFuture<'a, T> {
    Box::pin(async {
        call.await.map_err(|error| Failure::Reported {
            lasting: S::is_lasting(&error),
            wrote_nothing: S::wrote_nothing(&error),
            error: Box::new(error),
        })
    })
}
