//! Says of nearly every live session that it has not ended, without a lock.

use std::iter;
use std::sync::atomic::{AtomicU64, Ordering};

/// At least so many bits for each session that there is room for. In a full view two live sessions in five have a
/// bit that is set, which costs a look into the table and nothing else; in one that is filled to a tenth, one in
/// twenty. With more bits the words would seldom be in the processor's nearest caches.
const BITS: usize = 2;

/// At most so many words, 1 MiB: a capacity is a limit, and may be far more than ever comes. Beyond it more live
/// sessions need a look into the table.
const MAX_WORDS: usize = 1 << 17;

/// A bit for each session of a shard, which others may have too, by the hashes of their ids.
///
/// It is read without a lock, and written under that of the shard. A word always has the bits of all sessions that
/// are in the shard, so a reader never misses one.
#[derive(Debug)]
pub(super) struct Filter(Box<[AtomicU64]>);

impl Filter {
    pub(super) fn new(capacity: usize) -> Self {
        let words = capacity.saturating_mul(BITS).div_ceil(64);
        Self::of_words(words.min(MAX_WORDS).next_power_of_two())
    }

    fn of_words(words: usize) -> Self {
        let empty = iter::repeat_with(AtomicU64::default);
        Self(empty.take(words).collect())
    }

    /// Whether the session may be in the shard; if not, it certainly is not.
    pub(super) fn may_have(&self, hash: u64) -> bool {
        let (word, bit) = self.place(hash);
        // A read after a session was added sees its bit.
        word.load(Ordering::Acquire) & bit != 0
    }

    /// Call it before the session is in the shard.
    pub(super) fn add(&self, hash: u64) {
        let (word, bit) = self.place(hash);
        word.fetch_or(bit, Ordering::Release);
    }

    /// Forgets all sessions but these.
    pub(super) fn keep(&self, sessions: impl Iterator<Item = u64>) {
        let kept = Self::of_words(self.0.len());
        sessions.for_each(|hash| kept.add(hash));
        for (word, kept) in self.0.iter().zip(kept.0) {
            word.store(kept.into_inner(), Ordering::Release);
        }
    }

    fn place(&self, hash: u64) -> (&AtomicU64, u64) {
        let word = usize::try_from(hash >> 6 & (self.0.len() as u64 - 1));
        let word = word.ok().and_then(|word| self.0.get(word));
        let word = word.expect("the number of words is a power of two");
        (word, 1 << (hash & 63))
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher as _, RandomState};
    use std::ops::Range;

    use super::*;

    #[test]
    fn a_capacity_without_bounds_needs_little_memory() {
        let filter = Filter::new(usize::MAX);
        assert_eq!(filter.0.len(), MAX_WORDS);
        filter.add(u64::MAX);
        assert!(filter.may_have(u64::MAX) && !filter.may_have(0));
    }

    #[test]
    fn no_session_is_missed_and_most_others_need_no_look() {
        let random = RandomState::new();
        let hashes = |range: Range<u64>| range.map(|number| random.hash_one(number));
        let set =
            |filter: &Filter, range| hashes(range).filter(|hash| filter.may_have(*hash)).count();

        let filter = Filter::new(1000);
        hashes(0..1000).for_each(|hash| filter.add(hash));
        assert_eq!(set(&filter, 0..1000), 1000);
        assert!(set(&filter, 1000..11_000) < 4300);

        filter.keep(hashes(0..100));
        assert_eq!(set(&filter, 0..100), 100);
        assert!(set(&filter, 100..11_000) < 800);
    }
}
