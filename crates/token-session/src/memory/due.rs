//! When the sessions of a shard may be forgotten.

use std::ops::Range;

use token_core::UnixTime;

/// So many places have one instant. To look at them takes some 20 microseconds.
const BLOCK: usize = 256;

/// For each block of places an instant before which none of its sessions can be forgotten, so that the
/// block need not be looked at. It may be too early: a session that is used lives longer.
#[derive(Debug, Default)]
pub(super) struct DueTimes(Vec<UnixTime>);

impl DueTimes {
    /// The session at a place may be forgotten then.
    pub(super) fn note(&mut self, index: usize, at: UnixTime) {
        let block = index / BLOCK;
        if self.0.len() <= block {
            self.0.resize(block + 1, UnixTime::MAX);
        }
        if let Some(due) = self.0.get_mut(block) {
            *due = at.min(*due);
        }
    }

    /// The first block, from `from` on, in which a session may be due.
    pub(super) fn next(&self, from: usize, now: UnixTime) -> Option<usize> {
        let due = self.0.iter().skip(from).position(|due| *due <= now);
        due.map(|block| from + block)
    }

    /// Begins a block anew: what is left in it is noted again.
    pub(super) fn clear(&mut self, block: usize) {
        if let Some(due) = self.0.get_mut(block) {
            *due = UnixTime::MAX;
        }
    }

    /// The places of a block.
    pub(super) const fn places(block: usize) -> Range<usize> {
        block * BLOCK..(block + 1) * BLOCK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_looked_at_when_its_first_session_is_due() {
        let at = |seconds| UnixTime::from_secs(seconds).expect("a time");
        let mut due = DueTimes::default();
        due.note(700, at(30));
        due.note(5, at(20));
        due.note(6, at(25));
        assert_eq!(due.next(0, at(19)), None);
        assert_eq!(due.next(0, at(20)), Some(0));
        assert_eq!(due.next(1, at(29)), None);
        assert_eq!(due.next(1, at(30)), Some(2));
        assert!(DueTimes::places(2).contains(&700));
        due.clear(0);
        assert_eq!(due.next(0, at(29)), None);
    }
}
