//! Sessions in memory: for tests, and for a single process that may forget at restart.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::Rng as _;
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use thiserror::Error;
use token_core::session::{Change, Committed, Ending, Epoch};
use token_core::types::Bucket;
use token_core::{Session, SessionId, Subject, UnixTime};
use tokio::sync::broadcast;

use self::row::Row;
use self::shard::Shard;
use crate::bucket_key::BucketKey;
use crate::session_data::SessionData;
use crate::store::{
    Changed, Commit, Created, DataWrite, DataWritten, Ended, Heartbeat, Notice, Revoke,
    SessionStore, SubjectEnding,
};

mod common;
mod due;
mod row;
mod shard;
mod slab;

/// Locks are taken per shard, and a subject's sessions share one, as they do in Redis.
const SHARDS: usize = 64;

/// How many blocks of sessions a login looks at, if the store is full, before it is refused: it holds
/// up its thread meanwhile. What it has found out the next one need not.
const LOOKS: usize = 4;

/// Keeps sessions in this process's memory, at most as many as it is told.
///
/// When it is full it forgets what has expired; if nothing has, it refuses new logins
/// rather than end somebody's session.
#[derive(Debug)]
pub struct MemoryStore {
    shards: Box<[Mutex<Shard>]>,
    capacity: usize,
    /// The rows of all shards, and those that are about to be inserted. Never more than `capacity`.
    taken: AtomicUsize,
    bucket_key: BucketKey,
    notices: broadcast::Sender<Notice>,
}

/// The store is full, and nothing in it has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the memory store is full: it holds {capacity} sessions and none has expired")]
pub struct MemoryStoreFull {
    capacity: usize,
}

impl MemoryStore {
    /// A store for at most `capacity` sessions, ended ones included until they are purged, with a
    /// bucket key of its own.
    pub fn with_capacity(capacity: usize) -> Self {
        let mut bucket_key = [0; 32];
        UnwrapErr(SysRng).fill_bytes(&mut bucket_key);
        Self::new(capacity, &bucket_key)
    }

    /// A store for at most `capacity` sessions, whose buckets are keyed with 32 random bytes.
    pub fn new(capacity: usize, bucket_key: &[u8; 32]) -> Self {
        Self::with_shards(SHARDS, capacity, bucket_key)
    }

    /// A store in one shard, which holds whatever buckets another store has given to ids.
    #[cfg(feature = "contract")]
    pub(crate) fn in_one_shard(capacity: usize) -> Self {
        Self::with_shards(1, capacity, &[0; 32])
    }

    fn with_shards(shards: usize, capacity: usize, bucket_key: &[u8; 32]) -> Self {
        Self {
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            capacity,
            taken: AtomicUsize::new(0),
            bucket_key: BucketKey::new(bucket_key),
            notices: broadcast::channel(1024).0,
        }
    }

    /// How many sessions it holds, ended ones included.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, bucket: Bucket) -> MutexGuard<'_, Shard> {
        let shard = self.shards.get(usize::from(bucket.0) % self.shards.len());
        lock(shard.expect("the remainder is below the number of shards"))
    }

    /// Takes the place of a session that is to be inserted; `false` if there is none.
    fn take_place(&self, now: UnixTime) -> bool {
        let take = || {
            let next = |taken| (taken < self.capacity).then_some(taken + 1);
            let taken = &self.taken;
            taken
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
                .is_ok()
        };
        take() || {
            let mut looks = 0;
            for shard in &self.shards {
                let mut from = 0;
                while looks < LOOKS {
                    let Some(step) = lock(shard).forget_expired(from, now) else {
                        break;
                    };
                    self.give_back(step.forgotten);
                    if step.forgotten > 0 && take() {
                        return true;
                    }
                    looks += 1;
                    from = step.next;
                }
            }
            take()
        }
    }

    fn give_back(&self, places: usize) {
        self.taken.fetch_sub(places, Ordering::Relaxed);
    }

    fn announce(&self, notice: Notice) {
        // It is not an error if nobody listens.
        let _ = self.notices.send(notice);
    }
}

impl SessionStore for MemoryStore {
    type Error = MemoryStoreFull;

    fn bucket(&self, subject: &Subject) -> Bucket {
        self.bucket_key.bucket(subject)
    }

    async fn epoch(&self, subject: &Subject) -> Result<Epoch, Self::Error> {
        Ok(self.shard(self.bucket(subject)).epoch(subject))
    }

    async fn create(&self, session: &Session, data: Option<&str>) -> Result<Created, Self::Error> {
        if !self.take_place(session.created_at) {
            return Err(MemoryStoreFull {
                capacity: self.capacity,
            });
        }
        let mut shard = self.shard(session.id.bucket());
        let refused = if shard.epoch(&session.subject) != session.subject_epoch {
            Some(Created::EpochPassed)
        } else if !shard.insert(session, data) {
            Some(Created::IdTaken)
        } else {
            None
        };
        drop(shard);
        if let Some(refused) = refused {
            self.give_back(1);
            return Ok(refused);
        }
        Ok(Created::Applied(Committed::assertion(session.clone())))
    }

    async fn load(&self, id: SessionId) -> Result<Option<Committed<Session>>, Self::Error> {
        Ok(self.shard(id.bucket()).load(id))
    }

    async fn commit(&self, change: &Change) -> Result<Commit, Self::Error> {
        let commit = self.shard(change.id().bucket()).commit(change);
        if let Commit::Applied(session) = &commit
            && let Some(changed) = Changed::by(change, session)
        {
            self.announce(Notice::Changed(changed));
        }
        Ok(commit)
    }

    async fn revoke(&self, ending: &Ending) -> Result<Revoke, Self::Error> {
        let mut shard = self.shard(ending.id.bucket());
        let ended = shard.end(ending);
        let row = shard.load(ending.id);
        drop(shard);
        Ok(match (ended, row) {
            (Some(ended), Some(row)) => {
                self.announce(Notice::Ended(ended));
                Revoke::Applied(row)
            }
            (None, Some(row)) => Revoke::Already(row),
            (_, None) => Revoke::Absent,
        })
    }

    async fn revoke_subject(&self, ending: &SubjectEnding) -> Result<Vec<SessionId>, Self::Error> {
        let ended = self.shard(self.bucket(&ending.subject)).end_subject(ending);
        for ended in &ended {
            self.announce(Notice::Ended(*ended));
        }
        Ok(ended.into_iter().map(|ended| ended.id).collect())
    }

    async fn list(&self, subject: &Subject) -> Result<Vec<Committed<Session>>, Self::Error> {
        let shard = self.shard(self.bucket(subject));
        let mut rows = Vec::with_capacity(shard.of_subject(subject).count());
        let sessions = shard.of_subject(subject).map(Row::session);
        rows.extend(sessions.map(Committed::assertion));
        drop(shard);
        rows.sort_by_key(|row| std::cmp::Reverse(row.created_at));
        Ok(rows)
    }

    async fn load_data(&self, id: SessionId) -> Result<Option<SessionData>, Self::Error> {
        Ok(self.shard(id.bucket()).data(id))
    }

    async fn write_data(&self, write: &DataWrite) -> Result<DataWritten, Self::Error> {
        Ok(self.shard(write.id.bucket()).write_data(write))
    }

    async fn purge(&self, before: UnixTime, limit: u32) -> Result<u64, Self::Error> {
        let mut left = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut purged = 0;
        let mut looks = 0;
        for shard in &self.shards {
            let mut from = 0;
            while left > 0 {
                let Some(step) = lock(shard).purge(from, before, left) else {
                    break;
                };
                self.give_back(step.forgotten);
                left -= step.forgotten;
                purged += step.forgotten as u64;
                from = step.next;
                looks += 1;
                if looks % LOOKS == 0 {
                    tokio::task::yield_now().await;
                }
            }
        }
        Ok(purged)
    }

    async fn revocations(&self, since: UnixTime) -> Result<Vec<Ended>, Self::Error> {
        let mut found = Vec::new();
        for shard in &self.shards {
            let shard = lock(shard);
            found.extend(shard.ended.iter().filter(|ended| ended.at >= since));
        }
        Ok(found)
    }

    fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }

    /// Every node of this store is in this process, and this is the way between them.
    async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<bool, Self::Error> {
        self.announce(Notice::Heartbeat(heartbeat));
        Ok(true)
    }

    fn catch_up_interval(&self) -> Duration {
        Duration::from_secs(60)
    }

    /// Room comes with time, not with a second call.
    fn is_lasting(_: &Self::Error) -> bool {
        true
    }

    /// There is room or there is none before anything is written.
    fn wrote_nothing(_: &Self::Error) -> bool {
        true
    }
}

/// A panic of another thread cannot leave a shard half-written: what could fail, which is making a
/// copy, comes before the first write.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
