//! The store behind a pointer, so that managers, extractors and states need no type
//! parameter.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
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

/// Why a store could not answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store reported an error, kept as it was.
    #[error("the session store failed")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
    /// The same, and it would at once again.
    #[error("the session store failed, and would again")]
    Lasting(#[source] Box<dyn Error + Send + Sync>),
    /// It gave no answer in time; whether it did what it was asked is unknown.
    #[error("the session store gave no answer within {0:?}")]
    Timeout(Duration),
}

/// A future of a store call.
pub(crate) type StoreFuture<'a, T> =
    Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// [`SessionStore`] as a trait object; implemented for every store.
pub(crate) trait ErasedStore: Send + Sync {
    fn bucket(&self, subject: &Subject) -> Bucket;
    fn epoch<'a>(&'a self, subject: &'a Subject) -> StoreFuture<'a, Epoch>;
    fn create<'a>(
        &'a self,
        session: &'a Session,
        data: Option<&'a str>,
    ) -> StoreFuture<'a, Created>;
    fn load(&self, id: SessionId) -> StoreFuture<'_, Option<Committed<Session>>>;
    fn commit<'a>(&'a self, change: &'a Change) -> StoreFuture<'a, Commit>;
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

    fn load(&self, id: SessionId) -> StoreFuture<'_, Option<Committed<Session>>> {
        erase::<S, _>(SessionStore::load(self, id))
    }

    fn commit<'a>(&'a self, change: &'a Change) -> StoreFuture<'a, Commit> {
        erase::<S, _>(SessionStore::commit(self, change))
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
        call.await.map_err(|error| {
            let lasting = S::is_lasting(&error);
            let error = Box::new(error);
            if lasting {
                StoreError::Lasting(error)
            } else {
                StoreError::Failed(error)
            }
        })
    })
}
