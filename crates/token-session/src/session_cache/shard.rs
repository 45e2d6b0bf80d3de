//! One shard of the cache of sessions.
//!
//! `tests/session_cache_model.rs` compiles this file once more, with loom's locks in place of `std`'s, and
//! walks through every order in which threads can meet in it.

use token_core::{SessionId, UnixTime};

use crate::bounded::Bounded;
use crate::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// What is kept of one session.
pub(super) struct Entry<T> {
    /// The id, so that a hash alone never decides.
    pub(super) id: SessionId,
    /// The session as it was read.
    pub(super) value: T,
    /// Answers from then on.
    pub(super) from: UnixTime,
    /// Answers until then, exclusive.
    pub(super) until: UnixTime,
}

/// Entries by the hash of their id, at most so many.
pub(super) struct Shard<T> {
    slots: RwLock<Slots<T>>,
}

struct Slots<T> {
    /// `None` for a session that was forgotten: it keeps its place until another session needs it.
    entries: Bounded<Option<Entry<T>>>,
    /// How often a session of this shard was forgotten.
    heard: u64,
}

/// What a shard had heard when a session began to be read from the store.
#[derive(Clone, Copy)]
pub(super) struct Heard(u64);

impl<T: Clone> Shard<T> {
    /// An empty one for so many sessions.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            slots: RwLock::new(Slots {
                entries: Bounded::new(capacity),
                heard: 0,
            }),
        }
    }

    /// The session, if it is known and the time is within its range.
    pub(super) fn get(&self, hash: u64, id: SessionId, now: UnixTime) -> Option<T> {
        let slots = self.read();
        let slot = slots.entries.get(hash)?;
        let entry = slot.value.as_ref()?;
        if entry.id != id || now < entry.from || now >= entry.until {
            return None;
        }
        slot.mark_used();
        Some(entry.value.clone())
    }

    /// Call it before a session is read from the store.
    pub(super) fn heard(&self) -> Heard {
        Heard(self.read().heard)
    }

    /// Keeps a session that was read, unless one of this shard was forgotten since the reading began: it
    /// may have been this one, and what was read may be older than that.
    pub(super) fn insert(&self, before: Heard, hash: u64, entry: Entry<T>) {
        let mut slots = self.write();
        if slots.heard == before.0 {
            slots.entries.insert(hash, Some(entry), 1);
        }
    }

    /// Forgets a session unless it `is_newer` than what was heard of it.
    pub(super) fn forget(&self, hash: u64, id: SessionId, is_newer: impl FnOnce(&T) -> bool) {
        let mut slots = self.write();
        slots.heard += 1;
        if let Some(place) = slots.entries.get_mut(hash)
            && place
                .as_ref()
                .is_some_and(|entry| entry.id == id && !is_newer(&entry.value))
        {
            *place = None;
        }
    }

    /// Forgets all sessions.
    pub(super) fn clear(&self) {
        let mut slots = self.write();
        slots.heard += 1;
        slots.entries.clear();
    }

    /// How many places are taken.
    pub(super) fn len(&self) -> usize {
        self.read().entries.size().1
    }

    fn read(&self) -> RwLockReadGuard<'_, Slots<T>> {
        self.slots.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Slots<T>> {
        self.slots.write().unwrap_or_else(PoisonError::into_inner)
    }
}
