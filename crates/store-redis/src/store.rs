//! The operations of a session store, each one script.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use redis::{ErrorKind, Value};
use token_core::session::{Change, Committed, Ending, Epoch};
use token_core::types::Bucket;
use token_core::{Session, SessionId, Subject, UnixTime};
use token_session::SessionStore;
use token_session::store::{
    Changed, Commit, Created, DataWrite, DataWritten, Ended, Heartbeat, Notice, Revoke,
    SessionData, SubjectEnding,
};
use tokio::sync::broadcast;

use crate::bytes::{Reader, Writer};
use crate::database::Database;
use crate::error::RedisStoreError;
use crate::explain::{bad_reply, explain};
use crate::feed::{self, Feed};
use crate::keys::{self, Keys};
use crate::row::{self, RowFault};
use crate::script;
use crate::watch::Watch;

/// The shortest time that a new session is left to Redis, in seconds. The scripts have the
/// same: a clock that is wrong must not delete what was just written.
const SHORTEST: u64 = 3600;
/// How many sessions one purging script looks at, at least. Other calls wait for it for about half
/// a millisecond.
const PURGE_STEP: u64 = 256;
/// How many sessions one call of `purge` looks at; the next one goes on from there. Redis
/// deletes what has expired by itself, so that most of what is looked at is not due.
const PURGE_LOOK: u64 = 100_000;
const GROUPS: u32 = 64;
/// Groups of all buckets.
const PLACES: u32 = 256 * GROUPS;
const NO_ID: &[u8; SessionId::LENGTH] = &[b'.'; SessionId::LENGTH];

/// Keeps sessions in Redis or Valkey; see the [crate's documentation](crate).
#[derive(Debug)]
pub struct RedisStore {
    pub(crate) _watch: Watch,
    pub(crate) database: Database,
    pub(crate) notices: broadcast::Sender<Notice>,
    pub(crate) catch_up_interval: Duration,
    /// The bucket and group, as one number, where the next `purge` begins.
    pub(crate) purged: AtomicU32,
    pub(crate) feed: Feed,
}

impl RedisStore {
    /// Notifies this process at once; Redis does it again with every node.
    fn announce(&self, notice: Notice) {
        // It is not an error if nobody listens.
        let _ = self.notices.send(notice);
    }

    fn announce_end(&self, id: SessionId, at: UnixTime) {
        self.announce(Notice::Ended(Ended::new(id, at)));
    }
}

impl SessionStore for RedisStore {
    type Error = RedisStoreError;

    fn bucket(&self, subject: &Subject) -> Bucket {
        self.database.keys().bucket(subject)
    }

    async fn epoch(&self, subject: &Subject) -> Result<Epoch, Self::Error> {
        let key = self.database.keys().epochs(self.bucket(subject));
        let mut get = redis::cmd("HGET");
        get.arg(&key).arg(subject.as_str());
        match self.database.connection.send(&get).await {
            Ok(Value::BulkString(record)) => {
                let epoch = Reader(&record).number().map(Epoch);
                epoch.ok_or_else(|| RedisStoreError::Corrupt {
                    key: keys::show(&key),
                    fault: RowFault::Field { field: "epoch" },
                })
            }
            Ok(_) => Ok(Epoch::default()),
            Err(error) => Err(explain(&self.database.connection, error, &[key]).await),
        }
    }

    async fn create(&self, session: &Session, data: Option<&str>) -> Result<Created, Self::Error> {
        let keys = self.database.keys();
        let place = keys.place(&session.subject);
        let bucket = session.id.bucket();
        if place.bucket != bucket {
            // The id was made with the secret of before Redis was emptied.
            return Err(RedisStoreError::Emptied);
        }
        let names = [
            keys.row(session.id),
            keys.epochs(bucket),
            keys.index(&place),
            keys.data(session.id),
        ];
        let lasts = session.purge_at.since(session.created_at).as_secs();
        let mut args = vec![
            session.subject.as_str().into(),
            session.subject_epoch.0.to_be_bytes().into(),
            place.tag.into(),
            lasts.max(SHORTEST).to_string().into_bytes(),
            session.token_hash.as_bytes().into(),
            keys.identity().into(),
            data.map(|json| data_value(1, Some(json)))
                .unwrap_or_default(),
        ];
        args.extend(row::encode(session));
        let reply = self.database.run(&script::CREATE, &names, &args).await?;
        match reply.outcome() {
            "applied" => Ok(Created::Applied(Committed::assertion(session.clone()))),
            // An adoption of the same old session may have inserted it, which has the same secret and another nonce.
            "again" => Ok(match self.load(session.id).await? {
                Some(stored) if *stored == *session => Created::Applied(stored),
                _ => Created::IdTaken,
            }),
            "emptied" => {
                Box::pin(self.database.reopen(&keys)).await?;
                Err(RedisStoreError::Emptied)
            }
            "passed" => Ok(Created::EpochPassed),
            "taken" => Ok(Created::IdTaken),
            _ => Err(reply.malformed()),
        }
    }

    async fn load(&self, id: SessionId) -> Result<Option<Committed<Session>>, Self::Error> {
        let keys = &*self.database.keys();
        let names = [keys.row(id), keys.epochs(id.bucket())];
        let reply = self.database.run(&script::LOAD, &names, &[]).await?;
        if reply.is("absent") {
            return Ok(None);
        }
        reply.row(keys, id).map(Some)
    }

    async fn commit(&self, change: &Change) -> Result<Commit, Self::Error> {
        let keys = &*self.database.keys();
        let id = change.id();
        let names = [keys.row(id), keys.epochs(id.bucket()), keys.data(id)];
        let (script, args) = match change {
            Change::Bind(bind) => (&script::BIND, row::bind(bind)),
            Change::Permit(permit) => (&script::PERMIT, row::permit(permit)),
            Change::Rotate(rotation) => (&script::ROTATE, row::rotation(rotation)),
            Change::Touch(touch) => (&script::TOUCH, row::touch(touch)),
        };
        let reply = self.database.run(script, &names, &args).await?;
        match reply.outcome() {
            "absent" => Ok(Commit::Missed(None)),
            "applied" => {
                let session = reply.row(keys, id)?;
                if let Some(changed) = Changed::by(change, &session) {
                    self.announce(Notice::Changed(changed));
                }
                Ok(Commit::Applied(session))
            }
            "missed" => Ok(Commit::Missed(Some(reply.row(keys, id)?))),
            _ => Err(reply.malformed()),
        }
    }

    async fn revoke(&self, ending: &Ending) -> Result<Revoke, Self::Error> {
        let keys = &*self.database.keys();
        let (id, bucket) = (ending.id, ending.id.bucket());
        let names = [
            keys.row(id),
            keys.epochs(bucket),
            keys.data(id),
            keys.log(bucket),
        ];
        let args = [
            row::instant(ending.purge_at),
            row::ended(ending.revocation),
            keys.channel().into_bytes(),
        ];
        let reply = self.database.run(&script::REVOKE, &names, &args).await?;
        match reply.outcome() {
            "absent" => Ok(Revoke::Absent),
            "already" => Ok(Revoke::Already(reply.row(keys, id)?)),
            "applied" => {
                self.announce_end(id, ending.revocation.at);
                Ok(Revoke::Applied(reply.row(keys, id)?))
            }
            _ => Err(reply.malformed()),
        }
    }

    async fn revoke_subject(&self, ending: &SubjectEnding) -> Result<Vec<SessionId>, Self::Error> {
        let except = ending.except.map(|id| id.as_bytes().to_vec());
        let call = |keys: &Keys| {
            let place = keys.place(&ending.subject);
            let bucket = place.bucket;
            let names = vec![keys.index(&place), keys.epochs(bucket), keys.log(bucket)];
            let args = vec![
                ending.subject.as_str().into(),
                place.tag.into(),
                row::instant(ending.purge_at),
                row::ended(ending.revocation),
                except.clone().unwrap_or_else(|| NO_ID.into()),
                keys.channel().into_bytes(),
                keys.rows(bucket),
                keys.data_of(bucket),
                keys.identity().into(),
            ];
            (names, args)
        };
        let script = &script::REVOKE_SUBJECT;
        let (_, reply) = self.database.run_for_subject(script, call).await?;
        let ids = reply.ids()?;
        for id in &ids {
            self.announce_end(*id, ending.revocation.at);
        }
        Ok(ids)
    }

    async fn list(&self, subject: &Subject) -> Result<Vec<Committed<Session>>, Self::Error> {
        let call = |keys: &Keys| {
            let place = keys.place(subject);
            let names = vec![keys.index(&place), keys.epochs(place.bucket)];
            let args = vec![
                subject.as_str().into(),
                place.tag.into(),
                keys.rows(place.bucket),
                keys.identity().into(),
            ];
            (names, args)
        };
        let (keys, reply) = self.database.run_for_subject(&script::LIST, call).await?;
        let mut rows = reply.rows(&keys)?;
        rows.sort_by_key(|row| Reverse((row.created_at, row.id)));
        Ok(rows)
    }

    async fn load_data(&self, id: SessionId) -> Result<Option<SessionData>, Self::Error> {
        let keys = &*self.database.keys();
        let names = [keys.row(id), keys.data(id)];
        let reply = self.database.run(&script::LOAD_DATA, &names, &[]).await?;
        if reply.is("absent") {
            return Ok(None);
        }
        let data = read_data(reply.bytes()?).ok_or_else(|| reply.malformed())?;
        Ok(Some(data))
    }

    async fn write_data(&self, write: &DataWrite) -> Result<DataWritten, Self::Error> {
        let keys = &*self.database.keys();
        let id = write.id;
        let names = [keys.row(id), keys.epochs(id.bucket()), keys.data(id)];
        let args = [
            row::decimal(write.at),
            write.version.to_be_bytes().into(),
            data_value(write.version.saturating_add(1), write.json.as_deref()),
        ];
        let reply = self
            .database
            .run(&script::WRITE_DATA, &names, &args)
            .await?;
        match reply.outcome() {
            "applied" => Ok(DataWritten::Applied),
            "moved" => {
                let data = read_data(reply.bytes()?).ok_or_else(|| reply.malformed())?;
                Ok(DataWritten::Moved(data))
            }
            "not_live" => Ok(DataWritten::NotLive),
            _ => Err(reply.malformed()),
        }
    }

    /// Looks at 100,000 sessions at most and goes on from there at the next call. Redis
    /// deletes sessions by itself when they are due; this takes them from the index, too.
    async fn purge(&self, before: UnixTime, limit: u32) -> Result<u64, Self::Error> {
        let limit = u64::from(limit);
        let (mut deleted, mut seen) = (0, 0);
        let first = self.purged.load(Ordering::Relaxed);
        let mut visited = 0;
        while visited < PLACES && deleted < limit && seen < PURGE_LOOK {
            let place = (first + visited) % (PLACES);
            let step = self.purge_step(before, limit - deleted, place).await?;
            deleted += step.deleted;
            seen += step.seen;
            visited += step.group - place % GROUPS;
            // A future that is dropped half-way has not worked for nothing.
            self.purged
                .store((first + visited) % (PLACES), Ordering::Relaxed);
        }
        Ok(deleted)
    }

    async fn revocations(&self, since: UnixTime) -> Result<Vec<Ended>, Self::Error> {
        self.database.revocations(since).await
    }

    fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }

    /// Published on every master, and passed on when it came from each of them: in a Cluster
    /// the notices of one may be lost while those of the others come.
    async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<bool, Self::Error> {
        let mut publish = redis::cmd("PUBLISH");
        publish
            .arg(self.database.keys().channel())
            .arg(feed::heartbeat(heartbeat));
        self.feed.copies.expect(heartbeat);
        let masters = self.database.connection.ask_masters(&publish).await?;
        if let Some(notice) = self.feed.copies.sent(heartbeat, masters.len()) {
            self.announce(notice);
        }
        Ok(true)
    }

    fn catch_up_interval(&self) -> Duration {
        self.catch_up_interval
    }

    fn is_lasting(error: &Self::Error) -> bool {
        matches!(
            error,
            RedisStoreError::Corrupt { .. }
                | RedisStoreError::Permission(_)
                | RedisStoreError::WrongType { .. }
        )
    }

    fn wrote_nothing(error: &Self::Error) -> bool {
        error.wrote_nothing()
    }
}

/// What one purging script did.
struct Step {
    deleted: u64,
    seen: u64,
    /// The group to go on with; [`GROUPS`] if the bucket is done.
    group: u32,
}

impl RedisStore {
    async fn purge_step(
        &self,
        before: UnixTime,
        limit: u64,
        place: u32,
    ) -> Result<Step, RedisStoreError> {
        let keys = &*self.database.keys();
        let bucket = u8::try_from(place / GROUPS).expect("a place is below its bound");
        let bucket = Bucket(bucket);
        let group = place % GROUPS;
        let args = [
            row::decimal(before),
            limit.to_string().into_bytes(),
            group.to_string().into_bytes(),
            PURGE_STEP.to_string().into_bytes(),
            keys.indexes(bucket),
            keys.rows(bucket),
            keys.data_of(bucket),
        ];
        let script = &*script::PURGE;
        let value = self
            .database
            .call(script, &[keys.log(bucket)], &args)
            .await?;
        let Value::Array(answer) = value else {
            return Err(bad_reply(script));
        };
        let [
            Value::Int(deleted),
            Value::Int(seen),
            Value::Int(next),
            Value::Array(absent),
        ] = answer.as_slice()
        else {
            return Err(bad_reply(script));
        };
        self.forget(bucket, absent).await?;
        let (deleted, seen, next) = (*deleted, *seen, *next);
        let next = u32::try_from(next).ok();
        let next = next.filter(|next| (group..=GROUPS).contains(next));
        Ok(Step {
            deleted: deleted.unsigned_abs(),
            seen: seen.unsigned_abs(),
            group: next.ok_or_else(|| bad_reply(script))?,
        })
    }
}

impl RedisStore {
    /// Takes rows that were not found out of the index, unless their slot is on its way: then a later
    /// purge does.
    async fn forget(&self, bucket: Bucket, absent: &[Value]) -> Result<(), RedisStoreError> {
        let script = &*script::PURGE;
        let keys = self.database.keys();
        let mut groups: BTreeMap<u8, Vec<SessionId>> = BTreeMap::new();
        for pair in absent.chunks(2) {
            let [Value::Int(group), Value::BulkString(id)] = pair else {
                return Err(bad_reply(script));
            };
            let group = u8::try_from(*group).map_err(|_| bad_reply(script))?;
            let id = id.as_slice().try_into().map_err(|_| bad_reply(script))?;
            let ids = groups.entry(group).or_default();
            ids.push(SessionId::from_bytes(id));
        }
        for (group, ids) in groups {
            let mut names = vec![keys.index_of(bucket, group), keys.log(bucket)];
            names.extend(ids.iter().map(|id| keys.row(*id)));
            let args: Vec<Vec<u8>> = ids.iter().map(|id| id.as_bytes().to_vec()).collect();
            let forget = script::FORGET.by_code(&names, &args);
            match self.database.connection.send_once(&forget).await {
                Err(error) if !matches!(error.kind(), ErrorKind::Server(_)) => {
                    return Err(error.into());
                }
                // Done, or refused.
                _ => {}
            }
        }
        Ok(())
    }
}

/// The version, and the text if there is one.
fn data_value(version: u64, json: Option<&str>) -> Vec<u8> {
    let mut value = Writer::default();
    value.number(version).optional(json.map(str::as_bytes));
    value.finish()
}

/// What [`data_value`] makes; empty if nothing was written yet.
fn read_data(value: &[u8]) -> Option<SessionData> {
    if value.is_empty() {
        return Some(SessionData::default());
    }
    let mut reader = Reader(value);
    let version = reader.number()?;
    let json = match reader.optional()? {
        Some(text) => Some(std::str::from_utf8(text).ok()?.into()),
        None => None,
    };
    Some(SessionData { version, json })
}
