//! The store contract on redb.

use std::cmp::Reverse;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hallpass::store::{
    Bucket, BucketKey, Change, Changed, Commit, Committed, Created, DataWrite, DataWritten, Ended,
    Ending, Epoch, Heartbeat, Notice, Revoke, SessionData, SubjectEnding,
};
use hallpass::{Session, SessionId, SessionStore, Subject, UnixTime};
use rand::Rng as _;
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use redb::{Database, ReadTransaction, ReadableDatabase as _, WriteTransaction};
use tokio::sync::broadcast;
use tokio::task::spawn_blocking;

use crate::error::{RedbStoreError, Result};
use crate::rows::{self, Read as _};

/// Keeps sessions in one file of redb, for one process.
#[derive(Debug)]
pub struct RedbStore {
    database: Arc<Database>,
    bucket_key: BucketKey,
    notices: broadcast::Sender<Notice>,
}

impl RedbStore {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// [`RedbStoreError`] if the file cannot be used, for example because another process has it open.
    pub fn open(file: impl AsRef<Path>) -> Result<Self> {
        let database = Database::create(file)?;
        let mut bucket_key = [0; 32];
        UnwrapErr(SysRng).fill_bytes(&mut bucket_key);
        let write = database.begin_write()?;
        let bucket_key = rows::create(&write, bucket_key)?;
        write.commit()?;
        Ok(Self {
            database: Arc::new(database),
            bucket_key: BucketKey::new(&bucket_key),
            notices: broadcast::channel(1024).0,
        })
    }

    /// Runs one transaction on a blocking thread. If the future is dropped, the transaction still ends:
    /// it is committed as a whole or not at all.
    async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.write_and_tell(change, |_| Vec::new()).await
    }

    /// The same, and tells subscribers of the outcome, also if nobody waits for it any more.
    async fn write_and_tell<T: Send + 'static>(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<T> + Send + 'static,
        tell: impl FnOnce(&T) -> Vec<Notice> + Send + 'static,
    ) -> Result<T> {
        let (database, notices) = (Arc::clone(&self.database), self.notices.clone());
        let written = spawn_blocking(move || {
            let write = database.begin_write()?;
            let outcome = change(&write)?;
            write.commit()?;
            for notice in tell(&outcome) {
                // It is not an error if nobody listens.
                let _ = notices.send(notice);
            }
            Ok(outcome)
        });
        written.await?
    }

    /// Reads a snapshot: what was committed last, without waiting for a writer.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&ReadTransaction) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let database = Arc::clone(&self.database);
        spawn_blocking(move || read(&database.begin_read()?)).await?
    }
}

impl SessionStore for RedbStore {
    type Error = RedbStoreError;

    fn bucket(&self, subject: &Subject) -> Bucket {
        self.bucket_key.bucket(subject)
    }

    async fn epoch(&self, subject: &Subject) -> Result<Epoch> {
        let subject = subject.clone();
        self.read(move |read| read.epoch(&subject)).await
    }

    async fn create(&self, session: &Session, data: Option<&str>) -> Result<Created> {
        enum Outcome {
            Inserted,
            EpochPassed,
            IdTaken,
        }
        let row = session.clone();
        let data = data.map(|json| SessionData {
            version: 1,
            json: Some(json.into()),
        });
        let outcome = self.write(move |write| {
            if write.epoch(&row.subject)? != row.subject_epoch {
                return Ok(Outcome::EpochPassed);
            }
            if write.session(row.id)?.is_some() {
                return Ok(Outcome::IdTaken);
            }
            rows::put(write, None, &row)?;
            if let Some(data) = &data {
                rows::put_data(write, row.id, data)?;
            }
            Ok(Outcome::Inserted)
        });
        Ok(match outcome.await? {
            Outcome::Inserted => Created::Applied(Committed::assertion(session.clone())),
            Outcome::EpochPassed => Created::EpochPassed,
            Outcome::IdTaken => Created::IdTaken,
        })
    }

    async fn load(&self, id: SessionId) -> Result<Option<Committed<Session>>> {
        let row = self.read(move |read| read.session(id)).await?;
        Ok(row.map(Committed::assertion))
    }

    async fn commit(&self, change: &Change) -> Result<Commit> {
        let (write, written) = (change.clone(), change.clone());
        // A step-up, for example, is told: nodes that remember the session must read it again.
        let tell = move |(applied, row): &(bool, Option<Session>)| {
            let row = row.as_ref().filter(|_| *applied);
            let changed = row.and_then(|row| Changed::by(&written, row));
            changed.map(Notice::Changed).into_iter().collect()
        };
        let apply = move |transaction: &WriteTransaction| {
            let Some(before) = transaction.session(write.id())? else {
                return Ok((false, None));
            };
            let Some(after) = write.apply(&before) else {
                return Ok((false, Some(before)));
            };
            rows::put(transaction, Some(&before), &after)?;
            Ok((true, Some(after)))
        };
        let (applied, row) = self.write_and_tell(apply, tell).await?;
        // Only here, because the transaction has ended.
        let row = row.map(Committed::assertion);
        Ok(match row {
            Some(row) if applied => Commit::Applied(row),
            row => Commit::Missed(row),
        })
    }

    async fn revoke(&self, ending: &Ending) -> Result<Revoke> {
        let ending = *ending;
        let apply = move |write: &WriteTransaction| {
            let Some(before) = write.session(ending.id)? else {
                return Ok((false, None));
            };
            let Some(after) = ending.apply(&before) else {
                return Ok((false, Some(before)));
            };
            rows::put(write, Some(&before), &after)?;
            Ok((true, Some(after)))
        };
        let notice = Notice::Ended(Ended::new(ending.id, ending.revocation.at));
        let tell = move |(applied, _): &(bool, Option<Session>)| {
            applied.then_some(notice).into_iter().collect()
        };
        let (applied, row) = self.write_and_tell(apply, tell).await?;
        let Some(row) = row.map(Committed::assertion) else {
            return Ok(Revoke::Absent);
        };
        if !applied {
            return Ok(Revoke::Already(row));
        }
        Ok(Revoke::Applied(row))
    }

    async fn revoke_subject(&self, ending: &SubjectEnding) -> Result<Vec<SessionId>> {
        let all = ending.clone();
        let at = ending.revocation.at;
        let apply = move |write: &WriteTransaction| {
            let epoch = write.epoch(&all.subject)?.next();
            rows::put_epoch(write, &all.subject, epoch)?;
            let mut ended = Vec::new();
            for before in write.sessions_of(&all.subject)? {
                let after = if Some(before.id) == all.except {
                    Some(Session {
                        subject_epoch: epoch,
                        ..before.clone()
                    })
                } else {
                    let one = Ending {
                        id: before.id,
                        revocation: all.revocation,
                        purge_at: all.purge_at,
                    };
                    let after = one.apply(&before);
                    ended.extend(after.is_some().then_some(before.id));
                    after
                };
                if let Some(after) = after {
                    rows::put(write, Some(&before), &after)?;
                }
            }
            Ok(ended)
        };
        let tell = move |ids: &Vec<SessionId>| {
            let notices = ids.iter().map(|id| Notice::Ended(Ended::new(*id, at)));
            notices.collect()
        };
        self.write_and_tell(apply, tell).await
    }

    async fn list(&self, subject: &Subject) -> Result<Vec<Committed<Session>>> {
        let subject = subject.clone();
        let mut found = self.read(move |read| read.sessions_of(&subject)).await?;
        found.sort_by_key(|row| Reverse(row.created_at));
        Ok(found.into_iter().map(Committed::assertion).collect())
    }

    async fn load_data(&self, id: SessionId) -> Result<Option<SessionData>> {
        let data = self.read(move |read| match read.session(id)? {
            Some(_) => read.data(id).map(Some),
            None => Ok(None),
        });
        data.await
    }

    async fn write_data(&self, write: &DataWrite) -> Result<DataWritten> {
        let new = write.clone();
        let written = self.write(move |write| {
            let row = write.session(new.id)?;
            if !row.is_some_and(|row| row.is_live(new.at)) {
                return Ok(DataWritten::NotLive);
            }
            let before = write.data(new.id)?;
            if before.version != new.version {
                return Ok(DataWritten::Moved(before));
            }
            let after = SessionData {
                version: new.version + 1,
                json: new.json,
            };
            rows::put_data(write, new.id, &after)?;
            Ok(DataWritten::Applied)
        });
        written.await
    }

    async fn purge(&self, before: UnixTime, limit: u32) -> Result<u64> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        self.write(move |write| rows::purge(write, before, limit))
            .await
    }

    async fn revocations(&self, since: UnixTime) -> Result<Vec<Ended>> {
        self.read(move |read| rows::ended(read, since)).await
    }

    fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }

    /// Only one process has the file, so notices do not leave it.
    async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<bool> {
        let _ = self.notices.send(Notice::Heartbeat(heartbeat));
        Ok(true)
    }

    /// For the same reason no notice can be lost.
    fn catch_up_interval(&self) -> Duration {
        Duration::from_mins(1)
    }
}
