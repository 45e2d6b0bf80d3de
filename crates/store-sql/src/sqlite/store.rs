//! The store itself.

use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::SqliteRow;
use sqlx::{SqlStr, SqlitePool};
use token_core::session::{Change, Committed, Ending, Epoch, Rotation};
use token_core::types::Bucket;
use token_core::{PRODUCT, Session, SessionId, Subject, UnixTime};
use token_session::SessionStore;
use token_session::store::{
    BucketKey, Changed, Commit, Created, DataWrite, DataWritten, Ended, Heartbeat, Notice, Revoke,
    SessionData, SubjectEnding,
};
use tokio::sync::broadcast;

use super::driver::query;
use super::statements::Statements;
use super::writer::{WritePermit, Writer};
use super::{SqliteStoreError, schema, together};
use crate::gathering::{self, Gathering, Way, WritesTogether};
use crate::parameters;
use crate::row;
use crate::value::{Value, count};

/// A purge holds the write lock for at most so many rows at a time: for less than a millisecond,
/// so that a refresh that comes meanwhile hardly waits. After each batch it brings the log into the
/// file, a page or two for each row; otherwise a refresh would, whose commit fills the log to 1,000
/// pages, for some 10 ms and with all others behind it.
const PURGE_BATCH: u32 = 10;

/// Keeps sessions in an SQLite file. Clones share one store.
///
/// The [module](super) says what it asks of a pool, what survives what, and how large the
/// file becomes.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    pool: SqlitePool,
    writer: Writer,
    statements: Statements,
    bucket_key: BucketKey,
    notices: broadcast::Sender<Notice>,
    gathering: Gathering<SqliteStoreError>,
}

impl SqliteStore {
    /// Makes the tables, or brings them up to date.
    pub(crate) async fn start(pool: SqlitePool, writer: Writer) -> Result<Self, SqliteStoreError> {
        let bucket_key = schema::prepare(&writer).await?;
        Ok(Self {
            inner: Arc::new(Inner {
                pool,
                writer,
                statements: Statements::new(&schema::names()),
                bucket_key,
                notices: broadcast::channel(1024).0,
                // One connection writes.
                gathering: Gathering::new(1),
            }),
        })
    }

    /// Writes the rotation of a refresh, together with others if some wait.
    async fn rotate(
        &self,
        change: &Change,
        rotation: &Rotation,
    ) -> Result<Commit, SqliteStoreError> {
        let answer = match gathering::join(self, rotation) {
            Way::Alone(_lane) => return self.write_change(change).await,
            Way::Together(answer) => answer.await.unwrap_or_default(),
        };
        match answer {
            Some(Ok(Some(session))) => Ok(Commit::Applied(Committed::assertion(session))),
            Some(Ok(None)) => self.load(rotation.id).await.map(Commit::Missed),
            Some(Err(error)) => Err(error),
            // The batch failed, so each of it is tried by itself.
            None => {
                let commit = self.write_change(change).await;
                let commit = commit.map_err(|error| SqliteStoreError::FailedAgain(error.into()))?;
                Ok(commit.or_written_before(change))
            }
        }
    }

    /// Writes a change in a turn of its own.
    async fn write_change(&self, change: &Change) -> Result<Commit, SqliteStoreError> {
        let Inner {
            writer, statements, ..
        } = &*self.inner;
        // What ends older tokens on purpose must not be lost, nor what a browser relies on.
        let mut permit = if Changed::announces(change) {
            writer.durable().await?
        } else {
            writer.everyday().await?
        };
        let rows = match change {
            Change::Bind(bind) => {
                permit
                    .fetch(&statements.bind, &parameters::bind(bind))
                    .await?
            }
            Change::Permit(rights) => {
                permit
                    .fetch(&statements.permit, &parameters::permit(rights))
                    .await?
            }
            Change::Rotate(rotation) => together::rotate(&mut permit, statements, rotation).await?,
            Change::Touch(touch) => {
                permit
                    .fetch(&statements.touch, &parameters::touch(touch))
                    .await?
            }
        };
        if let Some(row) = rows.first() {
            let session = committed(row)?;
            if let Some(changed) = Changed::by(change, &session) {
                self.announce(Notice::Changed(changed));
            }
            return Ok(Commit::Applied(session));
        }
        let found = permit
            .fetch(&statements.load, &[(&change.id()).into()])
            .await?;
        found.first().map(committed).transpose().map(Commit::Missed)
    }

    async fn read(
        &self,
        statement: &SqlStr,
        values: &[Value<'_>],
    ) -> Result<Vec<SqliteRow>, SqliteStoreError> {
        Ok(query(statement, values).fetch_all(&self.inner.pool).await?)
    }

    fn announce(&self, notice: Notice) {
        // It is not an error if nobody listens.
        let _ = self.inner.notices.send(notice);
    }
}

impl WritesTogether for SqliteStore {
    type Error = SqliteStoreError;
    type Permit<'a> = WritePermit<'a>;
    type Row = SqliteRow;

    fn gathering(&self) -> &Gathering<SqliteStoreError> {
        &self.inner.gathering
    }

    async fn permit(&self) -> Option<WritePermit<'_>> {
        self.inner.writer.everyday().await.ok()
    }

    async fn write_together<'a>(
        &'a self,
        mut permit: WritePermit<'a>,
        rotations: &[Rotation],
    ) -> Option<Vec<SqliteRow>> {
        let rows = together::write(&self.inner.statements, &mut permit, rotations).await;
        let failed = |error: &SqliteStoreError| {
            let error = error as &dyn std::error::Error;
            tracing::debug!(
                target: PRODUCT,
                error, sessions = rotations.len(), "a statement failed; each write is tried alone"
            );
        };
        rows.inspect_err(failed).ok()
    }

    fn read(row: &SqliteRow) -> Option<(SessionId, Result<Session, SqliteStoreError>)> {
        let (id, session) = row::read_written(row)?;
        Some((
            id,
            session.map_err(SqliteStoreError::corrupt(schema::SESSION)),
        ))
    }
}

impl SessionStore for SqliteStore {
    type Error = SqliteStoreError;

    fn bucket(&self, subject: &Subject) -> Bucket {
        self.inner.bucket_key.bucket(subject)
    }

    async fn epoch(&self, subject: &Subject) -> Result<Epoch, Self::Error> {
        let epoch = &self.inner.statements.epoch;
        let rows = self.read(epoch, &[subject.as_str().into()]).await?;
        rows.first().map_or(Ok(Epoch::default()), read_epoch)
    }

    async fn create(&self, session: &Session, data: Option<&str>) -> Result<Created, Self::Error> {
        let statements = &self.inner.statements;
        let mut permit = self.inner.writer.everyday().await?;
        if data.is_some() {
            permit.begin().await?;
        }
        let values = parameters::insert(session);
        if permit.execute(&statements.create, &values).await? == 1 {
            if let Some(json) = data {
                let write = DataWrite::new(session.id, 0, Some(json.into()), session.created_at);
                let values = parameters::write_data(&write);
                permit.execute(&statements.write_data, &values).await?;
                permit.commit().await?;
            }
            return Ok(Created::Applied(Committed::assertion(session.clone())));
        }
        // An epoch only grows: what passed stays passed.
        let subject = [session.subject.as_str().into()];
        let rows = permit.fetch(&statements.epoch, &subject).await?;
        let epoch = rows.first().map_or(Ok(Epoch::default()), read_epoch)?;
        Ok(if epoch == session.subject_epoch {
            Created::IdTaken
        } else {
            Created::EpochPassed
        })
    }

    async fn load(&self, id: SessionId) -> Result<Option<Committed<Session>>, Self::Error> {
        let rows = self
            .read(&self.inner.statements.load, &[(&id).into()])
            .await?;
        rows.first().map(committed).transpose()
    }

    async fn commit(&self, change: &Change) -> Result<Commit, Self::Error> {
        match change {
            Change::Rotate(rotation) if !Changed::announces(change) => {
                self.rotate(change, rotation).await
            }
            Change::Touch(_) => self.write_change(change).await,
            Change::Bind(_) | Change::Permit(_) | Change::Rotate(_) => {
                let (store, change) = (self.clone(), change.clone());
                to_end(async move { store.write_change(&change).await }).await
            }
        }
    }

    async fn revoke(&self, ending: &Ending) -> Result<Revoke, Self::Error> {
        let (store, ending) = (self.clone(), *ending);
        to_end(async move {
            let Inner {
                writer, statements, ..
            } = &*store.inner;
            let mut permit = writer.durable().await?;
            let rows = permit
                .fetch(&statements.revoke, &parameters::revoke(&ending))
                .await?;
            if let Some(row) = rows.first() {
                store.announce(Notice::Ended(Ended::new(ending.id, ending.revocation.at)));
                return committed(row).map(Revoke::Applied);
            }
            let found = permit
                .fetch(&statements.load, &[(&ending.id).into()])
                .await?;
            Ok(match found.first() {
                Some(row) => Revoke::Already(committed(row)?),
                None => Revoke::Absent,
            })
        })
        .await
    }

    async fn revoke_subject(&self, ending: &SubjectEnding) -> Result<Vec<SessionId>, Self::Error> {
        let (store, ending) = (self.clone(), ending.clone());
        to_end(async move {
            let mut permit = store.inner.writer.durable().await?;
            let ids = revoke_subject(&mut permit, &store.inner.statements, &ending).await?;
            permit.commit().await?;
            for id in &ids {
                store.announce(Notice::Ended(Ended::new(*id, ending.revocation.at)));
            }
            Ok(ids)
        })
        .await
    }

    async fn list(&self, subject: &Subject) -> Result<Vec<Committed<Session>>, Self::Error> {
        let list = &self.inner.statements.list;
        let rows = self.read(list, &[subject.as_str().into()]).await?;
        rows.iter().map(committed).collect()
    }

    async fn load_data(&self, id: SessionId) -> Result<Option<SessionData>, Self::Error> {
        let load = &self.inner.statements.load_data;
        let rows = self.read(load, &[(&id).into()]).await?;
        rows.first().map(|row| read_data(row, id)).transpose()
    }

    async fn write_data(&self, write: &DataWrite) -> Result<DataWritten, Self::Error> {
        let statements = &self.inner.statements;
        let mut permit = self.inner.writer.everyday().await?;
        let values = parameters::write_data(write);
        if permit.execute(&statements.write_data, &values).await? == 1 {
            return Ok(DataWritten::Applied);
        }
        let live = [(&write.id).into(), write.at.into()];
        let rows = permit.fetch(&statements.live_data, &live).await?;
        rows.first().map_or(Ok(DataWritten::NotLive), |row| {
            read_data(row, write.id).map(DataWritten::Moved)
        })
    }

    async fn purge(&self, before: UnixTime, limit: u32) -> Result<u64, Self::Error> {
        let mut left = limit;
        let mut purged = 0;
        while left > 0 {
            let batch = left.min(PURGE_BATCH);
            // A turn for each batch: refreshes take theirs in between.
            let mut permit = self.inner.writer.repeatable().await?;
            let values = [before.into(), i64::from(batch).into()];
            let deleted = permit
                .execute(&self.inner.statements.purge, &values)
                .await?;
            purged += deleted;
            if deleted < u64::from(batch) {
                break;
            }
            left -= batch;
            // Without the permit: it waits for no write, and none waits for it.
            drop(permit);
            self.read(&self.inner.statements.checkpoint, &[]).await?;
        }
        Ok(purged)
    }

    async fn revocations(&self, since: UnixTime) -> Result<Vec<Ended>, Self::Error> {
        let revocations = &self.inner.statements.revocations;
        let rows = self.read(revocations, &[since.into()]).await?;
        let ended = rows.iter().map(row::read_ended);
        ended
            .map(|ended| ended.map_err(SqliteStoreError::corrupt(schema::SESSION)))
            .collect()
    }

    fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.inner.notices.subscribe()
    }

    /// Not sent: other processes on the same file hear nothing.
    async fn heartbeat(&self, _: Heartbeat) -> Result<bool, Self::Error> {
        Ok(false)
    }

    /// Whether another connection than this store's has written to the file.
    async fn changed_elsewhere(&self) -> Result<bool, Self::Error> {
        self.inner.writer.changed_elsewhere().await
    }

    /// One second: what other processes on the same file end is seen by reading it.
    fn catch_up_interval(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn is_lasting(error: &Self::Error) -> bool {
        matches!(
            error,
            SqliteStoreError::CorruptRow { .. } | SqliteStoreError::ReadOnly(_)
        )
    }

    /// After an error of the disk or of the task that writes nobody knows.
    fn wrote_nothing(error: &Self::Error) -> bool {
        matches!(
            error,
            SqliteStoreError::Busy(_)
                | SqliteStoreError::Connection(sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed)
                | SqliteStoreError::Full(_)
                | SqliteStoreError::Open(_)
                | SqliteStoreError::ReadOnly(_)
                | SqliteStoreError::Statement(sqlx::Error::Database(_))
        )
    }
}

/// Runs a write that is told to subscribers in a task of its own, so that it is told if it is written, also
/// if the caller is gone.
async fn to_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, SqliteStoreError>> + Send + 'static,
) -> Result<T, SqliteStoreError> {
    tokio::spawn(work)
        .await
        .map_err(|_| sqlx::Error::WorkerCrashed)?
}

/// Raises the epoch first, so that no login can come in between. The transaction is left to the
/// caller to commit.
async fn revoke_subject(
    permit: &mut WritePermit<'_>,
    statements: &Statements,
    ending: &SubjectEnding,
) -> Result<Vec<SessionId>, SqliteStoreError> {
    permit.begin().await?;
    let subject = ending.subject.as_str();
    let rows = permit
        .fetch(&statements.raise_epoch, &[subject.into()])
        .await?;
    let epoch = rows.first().map(read_epoch).transpose()?;
    let epoch = epoch.expect("an upsert returns its row");
    let except = ending.except.as_ref();
    if let Some(id) = except {
        let values = [id.into(), subject.into(), count(epoch.0).into()];
        permit.execute(&statements.keep, &values).await?;
    }
    let values = parameters::revoke_subject(ending);
    let rows = permit.fetch(&statements.revoke_subject, &values).await?;
    let ids = rows.iter().map(row::read_id);
    ids.map(|id| id.map_err(SqliteStoreError::corrupt(schema::SESSION)))
        .collect()
}

fn committed(row: &SqliteRow) -> Result<Committed<Session>, SqliteStoreError> {
    row::read_session(row)
        .map(Committed::assertion)
        .map_err(SqliteStoreError::corrupt(schema::SESSION))
}

fn read_epoch(row: &SqliteRow) -> Result<Epoch, SqliteStoreError> {
    row::read_count(row, 0, "epoch")
        .map(Epoch)
        .map_err(SqliteStoreError::corrupt(schema::SUBJECT))
}

fn read_data(row: &SqliteRow, id: SessionId) -> Result<SessionData, SqliteStoreError> {
    row::read_data(row, id).map_err(SqliteStoreError::corrupt(schema::DATA))
}
