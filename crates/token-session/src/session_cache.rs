//! Sessions that were read lately: the next request with the same cookie need not ask the store.
//!
//! An entry is true as long as the feed is complete, for the feed forgets here what it hears of. Three
//! rules keep it so. A session enters only if nothing was heard since its reading began, because what was
//! read may be older than what was heard. If notices may have been lost, everything is forgotten. And an
//! entry only ever accepts: whatever would refuse a cookie is read from the store first.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use token_core::session::Committed;
use token_core::{Session, SessionId, Transport, UnixTime};

use self::shard::{Entry, Heard, Shard};
use crate::id_hash::id_hash;
use crate::store::Changed;

mod shard;

/// Enough that threads seldom meet in one.
const SHARDS: usize = 64;

/// An entry is read again when it is as old as this: what no notice tells, such as a session that was
/// edited by hand or a store that was emptied, is then noticed as well. It is longer than the default touch
/// interval, so that for a client that is in use the write that moves the deadline comes first, and shows
/// the session as well.
const BELIEVED: Duration = Duration::from_secs(90);

/// A session, shared by the requests that use it.
pub(crate) type Known = Arc<Committed<Session>>;

/// Sessions by id, at most so many. It holds none unless it is given room.
pub(crate) struct SessionCache {
    shards: Box<[Counted]>,
}

/// A shard with counters of its own, so that threads do not meet in those either.
struct Counted {
    shard: Shard<Known>,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// How often the cache of sessions knew one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionCacheCounts {
    /// Uses of a session cookie whose session was remembered. Those that had to be written, or that were to
    /// be refused, asked the store all the same.
    pub hits: u64,
    /// Uses whose session was not, while the feed was live.
    pub misses: u64,
    /// How many sessions are kept, and how many were forgotten whose place was not taken by another.
    pub entries: usize,
}

/// A session that is being read from the store.
pub(crate) struct Load {
    id: SessionId,
    heard: Heard,
}

impl SessionCache {
    /// Keeps about this many sessions; with 0, none.
    pub(crate) fn new(sessions: usize) -> Self {
        let shards = if sessions == 0 { 0 } else { SHARDS };
        let shard = || Counted {
            shard: Shard::new(sessions.div_ceil(SHARDS)),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        };
        Self {
            shards: std::iter::repeat_with(shard).take(shards).collect(),
        }
    }

    /// Whether it may hold sessions.
    pub(crate) fn is_on(&self) -> bool {
        !self.shards.is_empty()
    }

    /// The session as it was read, if that was less than 90 seconds ago and it has not expired.
    pub(crate) fn get(&self, id: SessionId, now: UnixTime) -> Option<Known> {
        let counted = self.counted(id)?;
        let known = counted.shard.get(id_hash(id), id, now);
        let count = if known.is_some() {
            &counted.hits
        } else {
            &counted.misses
        };
        count.fetch_add(1, Ordering::Relaxed);
        known
    }

    /// Call it before a session is read from the store; `None` if the cache is off.
    pub(crate) fn begin(&self, id: SessionId) -> Option<Load> {
        let heard = self.counted(id)?.shard.heard();
        Some(Load { id, heard })
    }

    /// Keeps the session that was read, unless something was heard meanwhile. Others than those of session
    /// cookies are not kept: nobody would ask for them.
    pub(crate) fn finish(&self, load: &Load, session: &Known, now: UnixTime) {
        let id = load.id;
        let kept = session.id == id && session.transport == Transport::Session;
        if let Some(counted) = self.counted(id).filter(|_| kept && session.is_live(now)) {
            let entry = Entry {
                id,
                value: Arc::clone(session),
                // A clock that is set back asks again.
                from: now,
                until: session.expires_at().min(now + BELIEVED),
            };
            counted.shard.insert(load.heard, id_hash(id), entry);
        }
    }

    /// Forgets a session, and what is being read of it now.
    pub(crate) fn forget(&self, id: SessionId) {
        if let Some(counted) = self.counted(id) {
            counted.shard.forget(id_hash(id), id, |_| false);
        }
    }

    /// Forgets a session that was changed, unless what is known of it is newer than that.
    pub(crate) fn forget_changed(&self, changed: Changed) {
        let Changed { id, version } = changed;
        if let Some(counted) = self.counted(id) {
            let is_newer = |known: &Known| known.generation > version;
            counted.shard.forget(id_hash(id), id, is_newer);
        }
    }

    /// Forgets all sessions, and what is being read now.
    pub(crate) fn clear(&self) {
        for counted in &self.shards {
            counted.shard.clear();
        }
    }

    /// How well it does.
    pub(crate) fn counts(&self) -> SessionCacheCounts {
        let mut counts = SessionCacheCounts::default();
        for counted in &self.shards {
            counts.hits += counted.hits.load(Ordering::Relaxed);
            counts.misses += counted.misses.load(Ordering::Relaxed);
            counts.entries += counted.shard.len();
        }
        counts
    }

    fn counted(&self, id: SessionId) -> Option<&Counted> {
        let [.., last] = *id.as_bytes();
        let index = usize::from(last).checked_rem(self.shards.len())?;
        self.shards.get(index)
    }
}

impl std::fmt::Debug for SessionCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SessionCache").field(&self.counts()).finish()
    }
}
