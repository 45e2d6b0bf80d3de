//! The sessions that were ended lately, in memory, so that their access tokens are refused without asking
//! a store.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use thiserror::Error;
use token_core::{SessionId, UnixTime};

use self::filter::Filter;
use crate::id_hash::id_hash;
use crate::store::Ended;

mod filter;

const SHARDS: usize = 16;

/// The sessions that were ended within one access lifetime.
///
/// An access token lives for minutes; a session ended longer ago than that has none left, so
/// the view is bounded by what is ended within one access lifetime plus leeway and twice the
/// tolerance between clocks. It only answers. The manager feeds it, and knows whether an
/// ended session may be missing.
///
/// ```
/// use std::time::Duration;
/// use token_session::RevocationView;
/// use token_core::{SessionId, UnixTime};
///
/// let view = RevocationView::new(Duration::from_secs(300), 100_000);
/// let (session, now) = (SessionId::from_bytes([1; 18]), UnixTime::from_secs(1_700_000_000)?);
/// view.insert(session, now)?;
/// assert!(view.contains(session));
/// view.forget_before(now + Duration::from_secs(301));
/// assert!(!view.contains(session));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RevocationView {
    shards: [Shard; SHARDS],
    retention: Duration,
    shard_capacity: usize,
}

#[derive(Debug)]
struct Shard {
    ended: RwLock<HashTable<Ended>>,
    /// Written while they are locked: of nearly every live session it says that it is none of them, and nothing
    /// has to be locked to know that.
    filter: Filter,
}

impl RevocationView {
    /// A view that remembers for `retention` (whole seconds: the access lifetime plus the
    /// verifier's leeway plus twice the tolerance) and holds about `capacity` sessions.
    pub fn new(retention: Duration, capacity: usize) -> Self {
        let shard_capacity = capacity.div_ceil(SHARDS).max(1);
        Self {
            shards: std::array::from_fn(|_| Shard::new(shard_capacity)),
            retention,
            shard_capacity,
        }
    }

    /// How long an ended session is remembered.
    pub const fn retention(&self) -> Duration {
        self.retention
    }

    /// Whether the session was ended within the retention.
    pub fn contains(&self, session: SessionId) -> bool {
        let shard = self.shard(session);
        let hash = id_hash(session);
        shard.filter.may_have(hash) && shard.has(hash, session)
    }

    /// Adds a session that was ended at `at`; `Ok(true)` if it was not there before.
    ///
    /// # Errors
    /// [`ViewFull`]: the view is no longer complete and counts as behind.
    pub fn insert(&self, session: SessionId, at: UnixTime) -> Result<bool, ViewFull> {
        let (shard, hash) = (self.shard(session), id_hash(session));
        let mut table = shard.write();
        let is_full = table.len() >= self.shard_capacity;
        let entry = table.entry(hash, |ended| ended.id == session, hash_of);
        let is_new = matches!(entry, Entry::Vacant(_));
        if is_new && is_full {
            return Err(ViewFull);
        }
        shard.filter.add(hash);
        entry.insert(Ended::new(session, at));
        Ok(is_new)
    }

    /// Forgets what was ended longer than the retention before `now`.
    pub fn forget_before(&self, now: UnixTime) {
        let limit = now - self.retention;
        for shard in &self.shards {
            let mut table = shard.write();
            let before = table.len();
            table.retain(|ended| ended.at >= limit);
            if table.len() < before {
                shard.filter.keep(table.iter().map(hash_of));
            }
        }
    }

    /// How many sessions it holds.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().len()).sum()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, session: SessionId) -> &Shard {
        let [.., last] = *session.as_bytes();
        let shard = self.shards.get(usize::from(last) % SHARDS);
        shard.expect("the remainder is below the number of shards")
    }
}

impl Shard {
    fn new(capacity: usize) -> Self {
        Self {
            ended: RwLock::default(),
            filter: Filter::new(capacity),
        }
    }

    /// Apart from the filter, which is enough for nearly every live session and needs no registers of its own.
    #[cold]
    fn has(&self, hash: u64, session: SessionId) -> bool {
        let table = self.read();
        table.find(hash, |ended| ended.id == session).is_some()
    }

    fn read(&self) -> RwLockReadGuard<'_, HashTable<Ended>> {
        self.ended.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashTable<Ended>> {
        self.ended.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash_of(ended: &Ended) -> u64 {
    id_hash(ended.id)
}

/// A revocation view is full, so it no longer knows every session that was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the revocation view is full; give it a larger capacity")]
pub struct ViewFull;

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> SessionId {
        let mut bytes = [n; 18];
        bytes[0] = 0;
        SessionId::from_bytes(bytes)
    }

    #[test]
    fn an_ended_session_is_remembered_for_the_retention() {
        let view = RevocationView::new(Duration::from_secs(10), 1000);
        let t = |secs| UnixTime::from_secs(secs).unwrap();
        assert!(view.insert(id(1), t(100)).unwrap());
        assert!(!view.insert(id(1), t(100)).unwrap());
        view.forget_before(t(110));
        assert!(view.contains(id(1)) && !view.contains(id(2)));
        view.forget_before(t(111));
        assert!(view.is_empty());
    }

    #[test]
    fn a_full_view_refuses_another_session() {
        let view = RevocationView::new(Duration::from_secs(10), 16);
        let same_shard = |n: u8| {
            let mut bytes = [n; 18];
            bytes[17] = 0;
            SessionId::from_bytes(bytes)
        };
        assert!(view.insert(same_shard(1), UnixTime::EPOCH).is_ok());
        assert!(view.insert(same_shard(2), UnixTime::EPOCH).is_err());
        assert!(view.insert(same_shard(1), UnixTime::EPOCH).is_ok());
    }
}
