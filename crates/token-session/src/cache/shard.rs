//! One shard of the cache: a bounded map from which an entry goes that was not asked for lately.
//!
//! `tests/cache_model.rs` compiles this file once more, with loom's locks in place of `std`'s, and
//! walks through every order in which threads can meet in it.

use std::collections::hash_map::Entry as Place;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use aws_lc_rs::constant_time;
use token_core::UnixTime;
use zeroize::Zeroizing;

use super::sync::{AtomicBool, Ordering, PoisonError, RwLock};

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
    capacity: usize,
    slots: RwLock<Slots<T>>,
}

struct Slots<T> {
    by_hash: HashMap<u64, Slot<T>, BuildHasherDefault<AsItIs>>,
    /// The hashes, the longest there first.
    queue: VecDeque<u64>,
    bytes: usize,
}

struct Slot<T> {
    entry: Entry<T>,
    /// Whether it was asked for since it was last looked at.
    used: AtomicBool,
}

impl<T: Clone> Shard<T> {
    /// An empty one for so many bytes.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            slots: RwLock::new(Slots {
                by_hash: HashMap::default(),
                queue: VecDeque::new(),
                bytes: 0,
            }),
        }
    }

    /// What this very token says, if it is known and the time is within its range.
    pub(super) fn get(&self, hash: u64, token: &[u8], now: UnixTime) -> Option<T> {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.by_hash.get(&hash)?;
        let Entry { from, until, .. } = slot.entry;
        // How long this takes says nothing to a client that guesses at tokens.
        let same = constant_time::verify_slices_are_equal(&slot.entry.token, token).is_ok();
        if !same || now < from || now >= until {
            return None;
        }
        // Read first: a line that nobody writes to is shared between processors.
        if !slot.used.load(Ordering::Relaxed) {
            slot.used.store(true, Ordering::Relaxed);
        }
        Some(slot.entry.value.clone())
    }

    /// Keeps it, in place of an older one with this hash, and of what nobody asked for lately.
    pub(super) fn insert(&self, hash: u64, entry: Entry<T>) {
        if entry.cost > self.capacity {
            return;
        }
        let mut guard = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        let slots = &mut *guard;
        slots.bytes += entry.cost;
        let slot = Slot {
            entry,
            used: AtomicBool::new(false),
        };
        match slots.by_hash.entry(hash) {
            Place::Occupied(mut place) => slots.bytes -= place.insert(slot).entry.cost,
            Place::Vacant(place) => {
                place.insert(slot);
                slots.queue.push_back(hash);
            }
        }
        while slots.bytes > self.capacity {
            slots.evict();
        }
    }

    /// Bytes in use, and how many entries.
    pub(super) fn size(&self) -> (usize, usize) {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        (slots.bytes, slots.queue.len())
    }
}

impl<T> Slots<T> {
    /// Makes room: what was asked for goes round once more, the first other one goes.
    fn evict(&mut self) {
        while let Some(hash) = self.queue.pop_front() {
            let Place::Occupied(place) = self.by_hash.entry(hash) else {
                continue;
            };
            if place.get().used.load(Ordering::Relaxed) {
                place.get().used.store(false, Ordering::Relaxed);
                self.queue.push_back(hash);
            } else {
                self.bytes -= place.remove().entry.cost;
                return;
            }
        }
    }
}

/// Takes a hash that is one already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
