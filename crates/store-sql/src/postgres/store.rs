//! The store itself.

use std::sync::Arc;
use std::time::Duration;

use sqlx::SqlStr;
use sqlx::postgres::{PgConnectOptions, PgRow};
use token_core::session::{Change, Committed, Ending, Epoch, Generation, Rotation};
use token_core::types::Bucket;
use token_core::{PRODUCT, Session, SessionId, Subject, UnixTime};
use token_session::SessionStore;
use token_session::store::{
    BucketKey, Changed, Commit, Created, DataWrite, DataWritten, Ended, Heartbeat, Notice, Revoke,
    SessionData, SubjectEnding,
};
use tokio::sync::broadcast;

use super::PostgresStoreError;
use super::driver::query;
use super::lanes::{Lane, Lanes};
use super::listener::{self, Listener};
use super::schema::Schema;
use super::statements::Statements;
use super::together;
use crate::gathering::{self, Gathering, Way, WritesTogether};
use crate::parameters;
use crate::row::{self, Fields as _};
use crate::value::Value;

/// How many notices a slow reader may be behind before it reads the revocations again.
const NOTICES: usize = 4096;

/// A purge deletes at most so many rows at a time: it holds their locks, and a refresh that is
/// committed behind it waits until its part of the log is on the disk, too.
const PURGE_BATCH: u32 = 100;

/// On so many connections sessions are rotated at once. Those that come meanwhile gather, which is worth more
/// than further connections: the server waits for the disk once for all of them.
const ROTATING: usize = 4;

/// Keeps sessions in a PostgreSQL database. Clones share one store.
///
/// The [module](super) says what it asks of a pool and of the server.
#[derive(Clone, Debug)]
pub struct PostgresStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    lanes: Lanes,
    statements: Statements,
    channel: String,
    bucket_key: BucketKey,
    notices: broadcast::Sender<Notice>,
    listener: Option<Listener>,
    gathering: Gathering<PostgresStoreError>,
}

impl PostgresStore {
    /// Prepares the schema, and listens on `notices_from` for what other nodes end.
    pub(crate) async fn start(
        lanes: Lanes,
        schema: &str,
        notices_from: Option<PgConnectOptions>,
    ) -> Result<Self, PostgresStoreError> {
        let connections = lanes.pool().options().get_max_connections();
        let connections = usize::try_from(connections).unwrap_or(ROTATING);
        let schema = Schema::new(schema)?;
        let bucket_key = schema.prepare(lanes.pool()).await?;
        let statements = Statements::new(&schema.names(), &schema);
        let channel = schema.channel();
        let notices = broadcast::channel(NOTICES).0;
        let listener = match notices_from {
            Some(server) => {
                let (channel, notices) = (channel.clone(), notices.clone());
                Some(Listener::start(server, channel, notices).await?)
            }
            None => None,
        };
        Ok(Self {
            inner: Arc::new(Inner {
                lanes,
                statements,
                channel,
                bucket_key,
                notices,
                listener,
                gathering: Gathering::new(ROTATING.min(connections)),
            }),
        })
    }

    /// Runs one statement in a transaction of its own, until the server has ended it: a row
    /// that a statement returns is not committed before that.
    async fn run(
        &self,
        statement: &SqlStr,
        values: &[Value<'_>],
    ) -> Result<Vec<PgRow>, PostgresStoreError> {
        let mut lane = self.inner.lanes.enter().await?;
        let rows = query(statement, values);
        let rows = rows.fetch_all(lane.connection()).await;
        self.settle(lane, rows)
    }

    /// The same, for how many rows it changed.
    async fn execute(
        &self,
        statement: &SqlStr,
        values: &[Value<'_>],
    ) -> Result<u64, PostgresStoreError> {
        let mut lane = self.inner.lanes.enter().await?;
        let result = query(statement, values);
        let result = result.execute(lane.connection()).await;
        Ok(self.settle(lane, result)?.rows_affected())
    }

    /// Keeps the connection if its statement ended as it should.
    fn settle<T>(
        &self,
        lane: Lane<'_>,
        result: Result<T, sqlx::Error>,
    ) -> Result<T, PostgresStoreError> {
        match result.map_err(PostgresStoreError::from) {
            Ok(done) => {
                lane.keep();
                Ok(done)
            }
            Err(error) => {
                // The others are broken, too, or lead to a server that was demoted.
                if matches!(
                    error,
                    PostgresStoreError::ReadOnly(_) | PostgresStoreError::Unavailable(_)
                ) {
                    self.inner.lanes.distrust();
                }
                Err(error)
            }
        }
    }

    /// Writes the rotation of a refresh, together with others if some wait.
    async fn rotate(
        &self,
        change: &Change,
        rotation: &Rotation,
    ) -> Result<Commit, PostgresStoreError> {
        let alone = async || {
            let rotate = &self.inner.statements.rotate;
            let rows = self.run(rotate, &parameters::rotate(rotation)).await?;
            rows.first().map(committed).transpose()
        };
        let failed_again =
            |error: PostgresStoreError| PostgresStoreError::FailedAgain(error.into());
        let (written, failed_before) = match gathering::join(self, rotation) {
            Way::Alone(_lane) => (alone().await?, false),
            Way::Together(answer) => match answer.await.unwrap_or_default() {
                Some(session) => (session?.map(Committed::assertion), false),
                // The batch failed, so each of it is tried by itself.
                None => (alone().await.map_err(failed_again)?, true),
            },
        };
        if let Some(session) = written {
            return Ok(Commit::Applied(session));
        }
        let current = self.load(rotation.id).await;
        Ok(if failed_before {
            Commit::Missed(current.map_err(failed_again)?).or_written_before(change)
        } else {
            Commit::Missed(current?)
        })
    }

    /// The channel and the notice that whatever a node remembers of a session is older: the generation stays.
    fn telling_that_all_is_older(&self, id: SessionId) -> [Value<'_>; 2] {
        let changed = Changed::new(id, Generation(u64::MAX));
        let notice = Value::OwnedText(listener::changed(changed));
        [self.inner.channel.as_str().into(), notice]
    }

    /// Notifies this process at once; the server does it again with all others.
    fn announce(&self, notice: Notice) {
        // It is not an error if nobody listens.
        let _ = self.inner.notices.send(notice);
    }
}

impl WritesTogether for PostgresStore {
    type Error = PostgresStoreError;
    type Permit<'a> = Lane<'a>;
    type Row = PgRow;

    fn gathering(&self) -> &Gathering<PostgresStoreError> {
        &self.inner.gathering
    }

    async fn permit(&self) -> Option<Lane<'_>> {
        self.inner.lanes.enter().await.ok()
    }

    /// In one statement, and one transaction.
    async fn write_together<'a>(
        &'a self,
        mut lane: Lane<'a>,
        rotations: &[Rotation],
    ) -> Option<Vec<PgRow>> {
        let rows = match rotations {
            [] => {
                // All have given up; nothing was sent on it.
                lane.keep();
                return Some(Vec::new());
            }
            [one] => {
                let values = parameters::rotate(one);
                let rotate = query(&self.inner.statements.rotate, &values);
                rotate.fetch_all(lane.connection()).await
            }
            several => {
                let rotate = together::query(&self.inner.statements.rotate_together, several);
                rotate.fetch_all(lane.connection()).await
            }
        };
        let rows = self.settle(lane, rows).inspect_err(|error| {
            let error = error as &dyn std::error::Error;
            tracing::debug!(
                target: PRODUCT,
                error, sessions = rotations.len(), "a statement failed; each write is tried alone"
            );
        });
        rows.ok()
    }

    fn read(row: &PgRow) -> Option<(SessionId, Result<Session, PostgresStoreError>)> {
        let (id, session) = row::read_written(row)?;
        Some((id, session.map_err(PostgresStoreError::corrupt("session"))))
    }
}

impl SessionStore for PostgresStore {
    type Error = PostgresStoreError;

    fn bucket(&self, subject: &Subject) -> Bucket {
        self.inner.bucket_key.bucket(subject)
    }

    async fn epoch(&self, subject: &Subject) -> Result<Epoch, Self::Error> {
        let epoch = &self.inner.statements.epoch;
        let rows = self.run(epoch, &[subject.as_str().into()]).await?;
        rows.first().map_or(Ok(Epoch::default()), read_epoch)
    }

    async fn create(&self, session: &Session, data: Option<&str>) -> Result<Created, Self::Error> {
        let statements = &self.inner.statements;
        let values = parameters::insert(session);
        let rows = match data {
            None => self.run(&statements.create, &values).await?,
            Some(json) => {
                let mut values = Vec::from(values);
                values.push(json.into());
                self.run(&statements.create_with_data, &values).await?
            }
        };
        let row = rows.first().expect("an upsert returns its row");
        if row.int(1)?.is_some() {
            return Ok(Created::Applied(Committed::assertion(session.clone())));
        }
        Ok(if read_epoch(row)? == session.subject_epoch {
            Created::IdTaken
        } else {
            Created::EpochPassed
        })
    }

    async fn load(&self, id: SessionId) -> Result<Option<Committed<Session>>, Self::Error> {
        let load = &self.inner.statements.load;
        let rows = self.run(load, &[(&id).into()]).await?;
        rows.first().map(committed).transpose()
    }

    async fn commit(&self, change: &Change) -> Result<Commit, Self::Error> {
        let statements = &self.inner.statements;
        let rows = match change {
            Change::Bind(bind) => {
                let mut values = Vec::from(parameters::bind(bind));
                values.extend(self.telling_that_all_is_older(bind.id));
                self.run(&statements.bind_and_tell, &values).await?
            }
            Change::Permit(permit) => {
                let mut values = Vec::from(parameters::permit(permit));
                values.extend(self.telling_that_all_is_older(permit.id));
                self.run(&statements.permit_and_tell, &values).await?
            }
            Change::Rotate(rotation) if Changed::announces(change) => {
                let changed = Changed::new(rotation.id, rotation.to);
                let notice = Value::OwnedText(listener::changed(changed));
                let channel = self.inner.channel.as_str().into();
                let mut values = Vec::from(parameters::rotate(rotation));
                values.extend([channel, notice]);
                self.run(&statements.rotate_and_tell, &values).await?
            }
            Change::Rotate(rotation) => return self.rotate(change, rotation).await,
            Change::Touch(touch) => {
                self.run(&statements.touch, &parameters::touch(touch))
                    .await?
            }
        };
        match rows.first() {
            Some(row) => {
                let session = committed(row)?;
                if let Some(changed) = Changed::by(change, &session) {
                    self.announce(Notice::Changed(changed));
                }
                Ok(Commit::Applied(session))
            }
            None => self.load(change.id()).await.map(Commit::Missed),
        }
    }

    async fn revoke(&self, ending: &Ending) -> Result<Revoke, Self::Error> {
        let revoke = &self.inner.statements.revoke;
        let channel = self.inner.channel.as_str().into();
        let [id, at, reason, purge_at] = parameters::revoke(ending);
        let rows = self
            .run(revoke, &[id, at, reason, purge_at, channel])
            .await?;
        if let Some(row) = rows.first() {
            self.announce(Notice::Ended(Ended::new(ending.id, ending.revocation.at)));
            return committed(row).map(Revoke::Applied);
        }
        Ok(match self.load(ending.id).await? {
            Some(row) => Revoke::Already(row),
            None => Revoke::Absent,
        })
    }

    async fn revoke_subject(&self, ending: &SubjectEnding) -> Result<Vec<SessionId>, Self::Error> {
        let at = ending.revocation.at;
        let [subject, at_time, reason, purge_at, except] = parameters::revoke_subject(ending);
        let channel = self.inner.channel.as_str().into();
        let values = [subject, at_time, reason, purge_at, except, channel];
        let revoke_subject = &self.inner.statements.revoke_subject;
        let rows = self.run(revoke_subject, &values).await?;
        let ids = rows.iter().map(row::read_id);
        let ids: Vec<SessionId> = ids
            .map(|id| id.map_err(PostgresStoreError::corrupt("session")))
            .collect::<Result<_, _>>()?;
        for id in &ids {
            self.announce(Notice::Ended(Ended::new(*id, at)));
        }
        Ok(ids)
    }

    async fn list(&self, subject: &Subject) -> Result<Vec<Committed<Session>>, Self::Error> {
        let list = &self.inner.statements.list;
        let rows = self.run(list, &[subject.as_str().into()]).await?;
        rows.iter().map(committed).collect()
    }

    async fn load_data(&self, id: SessionId) -> Result<Option<SessionData>, Self::Error> {
        let load = &self.inner.statements.load_data;
        let rows = self.run(load, &[(&id).into()]).await?;
        rows.first().map(|row| read_data(row, id)).transpose()
    }

    async fn write_data(&self, write: &DataWrite) -> Result<DataWritten, Self::Error> {
        let statements = &self.inner.statements;
        let values = parameters::write_data(write);
        if self.execute(&statements.write_data, &values).await? == 1 {
            return Ok(DataWritten::Applied);
        }
        let live = [(&write.id).into(), write.at.into()];
        let rows = self.run(&statements.live_data, &live).await?;
        rows.first().map_or(Ok(DataWritten::NotLive), |row| {
            read_data(row, write.id).map(DataWritten::Moved)
        })
    }

    async fn purge(&self, before: UnixTime, limit: u32) -> Result<u64, Self::Error> {
        let mut left = limit;
        let mut purged = 0;
        while left > 0 {
            let batch = left.min(PURGE_BATCH);
            let values = [before.into(), i64::from(batch).into()];
            let deleted = self.execute(&self.inner.statements.purge, &values).await?;
            purged += deleted;
            if deleted < u64::from(batch) {
                break;
            }
            left -= batch;
        }
        Ok(purged)
    }

    async fn revocations(&self, since: UnixTime) -> Result<Vec<Ended>, Self::Error> {
        let revocations = &self.inner.statements.revocations;
        let rows = self.run(revocations, &[since.into()]).await?;
        let ended = rows.iter().map(row::read_ended);
        ended
            .map(|ended| ended.map_err(PostgresStoreError::corrupt("session")))
            .collect()
    }

    fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.inner.notices.subscribe()
    }

    /// Sent on a connection of the pool and heard on the one that listens, if one does.
    async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<bool, Self::Error> {
        if self.inner.listener.is_none() {
            return Ok(false);
        }
        let values = [
            self.inner.channel.as_str().into(),
            Value::OwnedText(listener::heartbeat(heartbeat)),
        ];
        self.run(&self.inner.statements.notify, &values).await?;
        Ok(true)
    }

    /// 30 seconds if the server sends notices of endings, one second if it does not
    /// ([`Notices::Poll`](super::Notices::Poll)).
    fn catch_up_interval(&self) -> Duration {
        Duration::from_secs(if self.inner.listener.is_some() { 30 } else { 1 })
    }

    fn is_lasting(error: &Self::Error) -> bool {
        matches!(
            error,
            PostgresStoreError::CorruptRow { .. }
                | PostgresStoreError::Privilege(_)
                | PostgresStoreError::Statement(_)
        )
    }

    fn wrote_nothing(error: &Self::Error) -> bool {
        error.wrote_nothing()
    }
}

fn committed(row: &PgRow) -> Result<Committed<Session>, PostgresStoreError> {
    row::read_session(row)
        .map(Committed::assertion)
        .map_err(PostgresStoreError::corrupt("session"))
}

fn read_epoch(row: &PgRow) -> Result<Epoch, PostgresStoreError> {
    row::read_count(row, 0, "epoch")
        .map(Epoch)
        .map_err(PostgresStoreError::corrupt("subject"))
}

fn read_data(row: &PgRow, id: SessionId) -> Result<SessionData, PostgresStoreError> {
    row::read_data(row, id).map_err(PostgresStoreError::corrupt("data"))
}
