//! Writes that know their own work: a call that failed may have done what it was asked, and
//! repeated it finds that in its way.

use token_core::session::{Change, Committed, Ending};
use token_core::{Session, SessionId, Subject};

use super::SessionManager;
use super::call::Answer;
use crate::erased::StoreError;
use crate::store::{Commit, Created, DataWrite, DataWritten, Revoke, SubjectEnding};

impl SessionManager {
    /// Inserts a session.
    pub(super) async fn create(&self, session: &Session) -> Result<Created, StoreError> {
        let created = self.call_again("create", || self.inner.store.create(session));
        let Answer { value, repeated } = created.await?;
        if !(repeated && matches!(value, Created::IdTaken)) {
            return Ok(value);
        }
        // The hash of a random secret: nobody else has inserted a row with it.
        Ok(match self.load(session.id).await? {
            Some(row) if row.token_hash != session.token_hash => Created::IdTaken,
            Some(row) if row.revocation.is_none() => Created::Applied(row),
            // It was ended in between, with all others of the subject.
            _ => Created::EpochPassed,
        })
    }

    /// Writes a change to a session.
    pub(super) async fn commit(&self, change: &Change) -> Result<Commit, StoreError> {
        let committed = self.call_again("commit", || self.inner.store.commit(change));
        let Answer { value, repeated } = committed.await?;
        Ok(match (value, change) {
            (Commit::Missed(Some(row)), Change::Rotate(rotation))
                if repeated
                    && row.generation == rotation.to
                    && row.token_hash == rotation.to_hash
                    && row.revocation.is_none() =>
            {
                Commit::Applied(row)
            }
            (value, _) => value,
        })
    }

    /// Ends a session. Where another node has ended it in the same second for the same reason,
    /// and the first attempt failed, both report it.
    pub(super) async fn revoke(&self, ending: &Ending) -> Result<Revoke, StoreError> {
        let revoked = self.call_again("revoke", || self.inner.store.revoke(ending));
        let Answer { value, repeated } = revoked.await?;
        Ok(match value {
            Revoke::Already(row) if repeated && row.revocation == Some(ending.revocation) => {
                Revoke::Applied(row)
            }
            value => value,
        })
    }

    /// Ends the sessions of a subject, and gives all that were ended, by a failed attempt too.
    pub(super) async fn revoke_subject(
        &self,
        ending: &SubjectEnding,
    ) -> Result<Vec<SessionId>, StoreError> {
        let name = "revoke_subject";
        let revoked = self.call_again(name, || self.inner.store.revoke_subject(ending));
        let Answer { value, repeated } = revoked.await?;
        if !repeated {
            return Ok(value);
        }
        let mut ended = value;
        for row in self.list(&ending.subject).await? {
            if row.revocation == Some(ending.revocation) && !ended.contains(&row.id) {
                ended.push(row.id);
            }
        }
        Ok(ended)
    }

    /// Writes private data.
    pub(super) async fn write_data(&self, write: &DataWrite) -> Result<DataWritten, StoreError> {
        let written = self.call_again("write_data", || self.inner.store.write_data(write));
        let Answer { value, repeated } = written.await?;
        Ok(match value {
            DataWritten::Moved(data)
                if repeated
                    && data.version == write.version.saturating_add(1)
                    && data.json == write.json =>
            {
                DataWritten::Applied
            }
            value => value,
        })
    }

    /// All sessions of a subject that are stored.
    pub(super) async fn list(
        &self,
        subject: &Subject,
    ) -> Result<Vec<Committed<Session>>, StoreError> {
        self.call("list", || self.inner.store.list(subject)).await
    }
}
