//! One shard of the cache of verified tokens.
//!
//! `tests/cache_model.rs` compiles this file once more, with loom's locks in place of `std`'s, and
//! walks through every order in which threads can meet in it.

use aws_lc_rs::constant_time;
use token_core::UnixTime;
use zeroize::Zeroizing;

use crate::bounded::Bounded;
use crate::sync::{PoisonError, RwLock};

/// What is kept of one token.
pub(super) struct Entry<T> {
    /// All of the token, so that a hash alone never decides.
    pub(super) token: Zeroizing<Box<[u8]>>,
    /// What it says.
    pub(super) value: T,
    /// Answers from then on.
    pub(super) from: UnixTime,
    /// Answers until then, exclusive.
    pub(super) until: UnixTime,
    /// What it takes, in bytes.
    pub(super) cost: usize,
}

/// Entries by the hash of their token, at most so many bytes of them.
pub(super) struct Shard<T> {
    entries: RwLock<Bounded<Entry<T>>>,
}

impl<T: Clone> Shard<T> {
    /// An empty one for so many bytes.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            entries: RwLock::new(Bounded::new(capacity)),
        }
    }

    /// What this very token says, if it is known and the time is within its range.
    pub(super) fn get(&self, hash: u64, token: &[u8], now: UnixTime) -> Option<T> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let slot = entries.get(hash)?;
        let Entry { from, until, .. } = slot.value;
        // How long this takes says nothing to a client that guesses at tokens.
        let same = constant_time::verify_slices_are_equal(&slot.value.token, token).is_ok();
        if !same || now < from || now >= until {
            return None;
        }
        slot.mark_used();
        Some(slot.value.value.clone())
    }

    /// Keeps it, in place of an older one with this hash, and of what nobody asked for lately.
    pub(super) fn insert(&self, hash: u64, entry: Entry<T>) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let cost = entry.cost;
        entries.insert(hash, entry, cost);
    }

    /// Bytes in use, and how many entries.
    pub(super) fn size(&self) -> (usize, usize) {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.size()
    }
}
