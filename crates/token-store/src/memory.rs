//! Sessions in memory: for tests, for a single process that may forget at restart, and as the
//! plain reading of the contract.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::Rng;
use thiserror::Error;
use token_core::change::{Change, Committed, Ending};
use token_core::id::{Bucket, BucketKey};
use token_core::session::{Epoch, SessionData};
use token_core::{Session, SessionId, Subject, UnixTime};
use tokio::sync::broadcast;

use crate::store::{
    Commit, Created, DataWrite, DataWritten, Ended, Heartbeat, Notice, Revoke, SessionStore,
    SubjectEnding,
};

/// Locks are taken per shard, and a subject's sessions share one, as they do in Redis.
const SHARDS: usize = 64;

/// Keeps sessions in this process's memory, at most as many as it is told.
///
/// When it is full it forgets what has expired; where nothing has, it refuses new logins
/// rather than end somebody's session.
#[derive(Debug)]
pub struct MemoryStore {
    shards: Box<[Mutex<Shard>]>,
    shard_capacity: usize,
    bucket_key: BucketKey,
    notices: broadcast::Sender<Notice>,
}

/// The store is full, and nothing in it has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the memory store is full: it holds {capacity} sessions in one shard and none has expired")]
pub struct MemoryStoreFull {
    capacity: usize,
}

#[derive(Debug, Default)]
struct Shard {
    sessions: HashMap<SessionId, Stored>,
    subjects: HashMap<Subject, Sessions>,
    ended: Vec<Ended>,
}

#[derive(Debug)]
struct Stored {
    session: Session,
    data: SessionData,
}

#[derive(Debug, Default)]
struct Sessions {
    epoch: Epoch,
    ids: Vec<SessionId>,
}

impl MemoryStore {
    /// A store for about `capacity` sessions, with a bucket key of its own.
    pub fn with_capacity(capacity: usize) -> Self {
        let mut bucket_key = [0; 32];
        rand::rng().fill_bytes(&mut bucket_key);
        Self::new(capacity, &bucket_key)
    }

    /// A store for about `capacity` sessions, whose buckets are keyed with 32 random bytes.
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
            shard_capacity: capacity.div_ceil(shards).max(1),
            bucket_key: BucketKey::new(bucket_key),
            notices: broadcast::channel(1024).0,
        }
    }

    /// How many sessions it holds, ended ones included.
    pub fn len(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| lock(shard).sessions.len())
            .sum()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, bucket: Bucket) -> MutexGuard<'_, Shard> {
        let shard = self
            .shards
            .get(usize::from(bucket.as_byte()) % self.shards.len());
        lock(shard.expect("the remainder is below the number of shards"))
    }

    fn announce(&self, ended: Ended) {
        // Nobody listening is no fault.
        let _ = self.notices.send(Notice::Ended(ended));
    }
}

impl Shard {
    fn purge(&mut self, before: UnixTime, limit: usize) -> usize {
        let due = |stored: &Stored| stored.session.purge_at <= before;
        let ids = self.sessions.iter().filter(|(_, stored)| due(stored));
        let ids: Vec<SessionId> = ids.map(|(id, _)| *id).take(limit).collect();
        self.forget(&ids);
        ids.len()
    }

    fn forget(&mut self, ids: &[SessionId]) {
        for id in ids {
            let Some(stored) = self.sessions.remove(id) else {
                continue;
            };
            let Some(own) = self.subjects.get_mut(&stored.session.subject) else {
                continue;
            };
            own.ids.retain(|own| own != id);
            // An epoch that was ever raised stays: a login may still hold the older one.
            if own.ids.is_empty() && own.epoch == Epoch::default() {
                self.subjects.remove(&stored.session.subject);
            }
        }
        self.ended
            .retain(|ended| self.sessions.contains_key(&ended.id));
    }

    fn end(&mut self, ending: &Ending) -> Option<Ended> {
        let stored = self.sessions.get_mut(&ending.id)?;
        stored.session = ending.apply(&stored.session)?;
        let ended = Ended {
            id: ending.id,
            at: ending.revocation.at,
        };
        self.ended.push(ended);
        Some(ended)
    }

    fn row(&self, id: SessionId) -> Option<Committed<Session>> {
        self.sessions
            .get(&id)
            .map(|stored| Committed::assertion(stored.session.clone()))
    }
}

impl SessionStore for MemoryStore {
    type Error = MemoryStoreFull;

    fn bucket(&self, subject: &Subject) -> Bucket {
        self.bucket_key.bucket(subject)
    }

    async fn epoch(&self, subject: &Subject) -> Result<Epoch, Self::Error> {
        let shard = self.shard(self.bucket(subject));
        Ok(shard
            .subjects
            .get(subject)
            .map(|sessions| sessions.epoch)
            .unwrap_or_default())
    }

    async fn create(&self, session: &Session) -> Result<Created, Self::Error> {
        let mut guard = self.shard(session.id.bucket());
        let shard = &mut *guard;
        if shard.sessions.len() >= self.shard_capacity {
            let expired = shard
                .sessions
                .values()
                .filter(|s| s.session.expires_at() <= session.created_at);
            let expired: Vec<SessionId> = expired.map(|stored| stored.session.id).collect();
            if expired.is_empty() {
                return Err(MemoryStoreFull {
                    capacity: self.shard_capacity,
                });
            }
            shard.forget(&expired);
        }
        let known = shard
            .subjects
            .get(&session.subject)
            .map(|s| s.epoch)
            .unwrap_or_default();
        if known != session.subject_epoch {
            return Ok(Created::EpochPassed);
        }
        let Entry::Vacant(vacant) = shard.sessions.entry(session.id) else {
            return Ok(Created::IdTaken);
        };
        vacant.insert(Stored {
            session: session.clone(),
            data: SessionData::default(),
        });
        shard
            .subjects
            .entry(session.subject.clone())
            .or_default()
            .ids
            .push(session.id);
        Ok(Created::Applied(Committed::assertion(session.clone())))
    }

    async fn load(&self, id: SessionId) -> Result<Option<Committed<Session>>, Self::Error> {
        Ok(self.shard(id.bucket()).row(id))
    }

    async fn commit(&self, change: &Change) -> Result<Commit, Self::Error> {
        let mut shard = self.shard(change.id().bucket());
        let Some(stored) = shard.sessions.get_mut(&change.id()) else {
            return Ok(Commit::Missed(None));
        };
        Ok(match change.apply(&stored.session) {
            Some(next) => {
                stored.session = next.clone();
                Commit::Applied(Committed::assertion(next))
            }
            None => Commit::Missed(Some(Committed::assertion(stored.session.clone()))),
        })
    }

    async fn revoke(&self, ending: &Ending) -> Result<Revoke, Self::Error> {
        let mut shard = self.shard(ending.id.bucket());
        let ended = shard.end(ending);
        let row = shard.row(ending.id);
        drop(shard);
        Ok(match (ended, row) {
            (Some(ended), Some(row)) => {
                self.announce(ended);
                Revoke::Applied(row)
            }
            (None, Some(row)) => Revoke::Already(row),
            (_, None) => Revoke::Absent,
        })
    }

    async fn revoke_subject(&self, ending: &SubjectEnding) -> Result<Vec<SessionId>, Self::Error> {
        let mut guard = self.shard(self.bucket(&ending.subject));
        let shard = &mut *guard;
        let sessions = shard.subjects.entry(ending.subject.clone()).or_default();
        sessions.epoch = sessions.epoch.next();
        let (epoch, ids) = (sessions.epoch, sessions.ids.clone());
        let mut ended = Vec::with_capacity(ids.len());
        for id in ids {
            if Some(id) == ending.except {
                if let Some(kept) = shard.sessions.get_mut(&id) {
                    kept.session.subject_epoch = epoch;
                }
                continue;
            }
            let one = Ending {
                id,
                revocation: ending.revocation,
                purge_at: ending.purge_at,
            };
            ended.extend(shard.end(&one));
        }
        drop(guard);
        for ended in &ended {
            self.announce(*ended);
        }
        Ok(ended.into_iter().map(|ended| ended.id).collect())
    }

    async fn list(&self, subject: &Subject) -> Result<Vec<Committed<Session>>, Self::Error> {
        let shard = self.shard(self.bucket(subject));
        let ids = shard
            .subjects
            .get(subject)
            .map(|sessions| sessions.ids.as_slice());
        let rows = ids
            .unwrap_or_default()
            .iter()
            .rev()
            .filter_map(|id| shard.row(*id));
        let mut rows: Vec<_> = rows.collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.created_at));
        Ok(rows)
    }

    async fn load_data(&self, id: SessionId) -> Result<Option<SessionData>, Self::Error> {
        Ok(self
            .shard(id.bucket())
            .sessions
            .get(&id)
            .map(|stored| stored.data.clone()))
    }

    async fn write_data(&self, write: &DataWrite) -> Result<DataWritten, Self::Error> {
        let mut shard = self.shard(write.id.bucket());
        let Some(stored) = shard.sessions.get_mut(&write.id) else {
            return Ok(DataWritten::Over);
        };
        if !stored.session.is_live(write.at) {
            return Ok(DataWritten::Over);
        }
        if stored.data.version != write.version {
            return Ok(DataWritten::Moved(stored.data.clone()));
        }
        stored.data = SessionData {
            version: write.version + 1,
            json: write.json.clone(),
        };
        Ok(DataWritten::Applied)
    }

    async fn purge(&self, before: UnixTime, limit: u32) -> Result<u64, Self::Error> {
        let mut left = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut purged = 0;
        for shard in &self.shards {
            let count = lock(shard).purge(before, left);
            left -= count;
            purged += count as u64;
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
        let _ = self.notices.send(Notice::Heartbeat(heartbeat));
        Ok(true)
    }

    fn catch_up_interval(&self) -> Duration {
        Duration::from_mins(1)
    }
}

/// A panic of another thread cannot leave a shard half-written: every change to a row is one
/// assignment.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
