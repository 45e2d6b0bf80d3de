//! The sessions that were ended lately, in memory, so that their access tokens are refused without asking
//! a store.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use thiserror::Error;
use token_core::{SessionId, UnixTime};

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

type Ended = HashMap<SessionId, UnixTime, BuildHasherDefault<IdHasher>>;

#[derive(Debug, Default)]
struct Shard {
    ended: RwLock<Ended>,
    /// How many those are, written while they are locked: if there are none, which is usual,
    /// nothing has to be locked to know that.
    len: AtomicUsize,
}

impl RevocationView {
    /// A view that remembers for `retention` (whole seconds: the access lifetime plus the
    /// verifier's leeway plus twice the tolerance) and holds about `capacity` sessions.
    pub fn new(retention: Duration, capacity: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| Shard::default()),
            retention,
            shard_capacity: capacity.div_ceil(SHARDS).max(1),
        }
    }

    /// How long an ended session is remembered.
    pub const fn retention(&self) -> Duration {
        self.retention
    }

    /// Whether the session was ended within the retention.
    pub fn contains(&self, session: SessionId) -> bool {
        let shard = self.shard(session);
        shard.len() > 0 && shard.read().contains_key(&session)
    }

    /// Adds a session that was ended at `at`; `Ok(true)` if it was not there before.
    ///
    /// # Errors
    /// [`ViewFull`]: the view is no longer complete and counts as behind.
    pub fn insert(&self, session: SessionId, at: UnixTime) -> Result<bool, ViewFull> {
        let shard = self.shard(session);
        let mut ended = shard.write();
        if ended.len() >= self.shard_capacity && !ended.contains_key(&session) {
            return Err(ViewFull);
        }
        let new = ended.insert(session, at).is_none();
        shard.count(&ended);
        Ok(new)
    }

    /// Forgets what was ended longer than the retention before `now`.
    pub fn forget_before(&self, now: UnixTime) {
        let limit = now - self.retention;
        for shard in &self.shards {
            let mut ended = shard.write();
            ended.retain(|_, at| *at >= limit);
            shard.count(&ended);
        }
    }

    /// How many sessions it holds.
    pub fn len(&self) -> usize {
        self.shards.iter().map(Shard::len).sum()
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
    fn read(&self) -> RwLockReadGuard<'_, Ended> {
        self.ended.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Ended> {
        self.ended.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// A read after an ending was put in counts it.
    fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    fn count(&self, ended: &Ended) {
        self.len.store(ended.len(), Ordering::Release);
    }
}

/// Takes the hash out of the id itself, which is random: only ids that a signature or the
/// store vouches for are ever looked up or inserted, so nobody can choose colliding ones.
#[derive(Clone, Copy, Debug, Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // The id's array is hashed with its length before it; only the bytes count.
        if let Some(random) = bytes.get(1..9).and_then(|bytes| bytes.try_into().ok()) {
            self.0 = u64::from_le_bytes(random);
        }
    }

    fn write_usize(&mut self, _: usize) {}
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
