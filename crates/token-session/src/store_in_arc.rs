//! A store behind an [`Arc`] is a store: several managers, or a manager and a test, share it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use token_core::session::{Change, Committed, Ending, Epoch};
use token_core::types::Bucket;
use token_core::{Session, SessionId, Subject, UnixTime};
use tokio::sync::broadcast;

use crate::session_data::SessionData;
use crate::store::{
    Commit, Created, DataWrite, DataWritten, Ended, Heartbeat, Notice, Revoke, SessionStore,
    SubjectEnding,
};

impl<S: SessionStore> SessionStore for Arc<S> {
    type Error = S::Error;

    fn bucket(&self, subject: &Subject) -> Bucket {
        S::bucket(self, subject)
    }

    fn epoch(&self, subject: &Subject) -> impl Future<Output = Result<Epoch, S::Error>> + Send {
        S::epoch(self, subject)
    }

    fn create(
        &self,
        session: &Session,
        data: Option<&str>,
    ) -> impl Future<Output = Result<Created, S::Error>> + Send {
        S::create(self, session, data)
    }

    fn load(
        &self,
        id: SessionId,
    ) -> impl Future<Output = Result<Option<Committed<Session>>, S::Error>> + Send {
        S::load(self, id)
    }

    fn commit(&self, change: &Change) -> impl Future<Output = Result<Commit, S::Error>> + Send {
        S::commit(self, change)
    }

    fn revoke(&self, ending: &Ending) -> impl Future<Output = Result<Revoke, S::Error>> + Send {
        S::revoke(self, ending)
    }

    fn revoke_subject(
        &self,
        ending: &SubjectEnding,
    ) -> impl Future<Output = Result<Vec<SessionId>, S::Error>> + Send {
        S::revoke_subject(self, ending)
    }

    fn list(
        &self,
        subject: &Subject,
    ) -> impl Future<Output = Result<Vec<Committed<Session>>, S::Error>> + Send {
        S::list(self, subject)
    }

    fn load_data(
        &self,
        id: SessionId,
    ) -> impl Future<Output = Result<Option<SessionData>, S::Error>> + Send {
        S::load_data(self, id)
    }

    fn write_data(
        &self,
        write: &DataWrite,
    ) -> impl Future<Output = Result<DataWritten, S::Error>> + Send {
        S::write_data(self, write)
    }

    fn purge(
        &self,
        before: UnixTime,
        limit: u32,
    ) -> impl Future<Output = Result<u64, S::Error>> + Send {
        S::purge(self, before, limit)
    }

    fn revocations(
        &self,
        since: UnixTime,
    ) -> impl Future<Output = Result<Vec<Ended>, S::Error>> + Send {
        S::revocations(self, since)
    }

    fn subscribe(&self) -> broadcast::Receiver<Notice> {
        S::subscribe(self)
    }

    fn heartbeat(
        &self,
        heartbeat: Heartbeat,
    ) -> impl Future<Output = Result<bool, S::Error>> + Send {
        S::heartbeat(self, heartbeat)
    }

    fn changed_elsewhere(&self) -> impl Future<Output = Result<bool, S::Error>> + Send {
        S::changed_elsewhere(self)
    }

    fn catch_up_interval(&self) -> Duration {
        S::catch_up_interval(self)
    }

    fn is_lasting(error: &Self::Error) -> bool {
        S::is_lasting(error)
    }

    fn wrote_nothing(error: &Self::Error) -> bool {
        S::wrote_nothing(error)
    }
}
