//! Values by the hash of their key, bounded: what was not asked for lately makes room for the next.

use std::collections::hash_map::Entry as Place;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use crate::sync::{AtomicBool, Ordering};

/// Values by hash, whose costs together are at most the capacity. The hash alone finds a value: the owner
/// compares the key.
pub(crate) struct Bounded<T> {
    capacity: usize,
    by_hash: HashMap<u64, Slot<T>, BuildHasherDefault<AsItIs>>,
    /// The hashes, the longest there first. Each is in it once.
    queue: VecDeque<u64>,
    cost: usize,
}

/// A value, and whether it was asked for since it was last looked at.
pub(crate) struct Slot<T> {
    pub(crate) value: T,
    cost: usize,
    used: AtomicBool,
}

impl<T> Slot<T> {
    /// Notes that the value was asked for.
    pub(crate) fn mark_used(&self) {
        // Read first: a line that nobody writes to is shared between processors.
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }
}

impl<T> Bounded<T> {
    /// An empty one.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            by_hash: HashMap::default(),
            queue: VecDeque::new(),
            cost: 0,
        }
    }

    pub(crate) fn get(&self, hash: u64) -> Option<&Slot<T>> {
        self.by_hash.get(&hash)
    }

    pub(crate) fn get_mut(&mut self, hash: u64) -> Option<&mut T> {
        self.by_hash.get_mut(&hash).map(|slot| &mut slot.value)
    }

    /// Keeps a value, in place of an older one with this hash, and of what nobody asked for lately. One
    /// that costs more than the capacity is not kept.
    pub(crate) fn insert(&mut self, hash: u64, value: T, cost: usize) {
        if cost > self.capacity {
            return;
        }
        self.cost += cost;
        let slot = Slot {
            value,
            cost,
            used: AtomicBool::new(false),
        };
        match self.by_hash.entry(hash) {
            Place::Occupied(mut place) => self.cost -= place.insert(slot).cost,
            Place::Vacant(place) => {
                place.insert(slot);
                self.queue.push_back(hash);
            }
        }
        while self.cost > self.capacity {
            self.evict();
        }
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        self.by_hash.clear();
        self.queue.clear();
        self.cost = 0;
    }

    /// What all values cost, and how many there are.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.cost, self.queue.len())
    }

    /// Makes room: what was asked for goes round once more, the first other value goes.
    fn evict(&mut self) {
        while let Some(hash) = self.queue.pop_front() {
            let Place::Occupied(place) = self.by_hash.entry(hash) else {
                continue;
            };
            if place.get().used.load(Ordering::Relaxed) {
                place.get().used.store(false, Ordering::Relaxed);
                self.queue.push_back(hash);
            } else {
                self.cost -= place.remove().cost;
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
