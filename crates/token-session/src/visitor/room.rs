//! How many sessions of nobody a node may still open.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use token_core::UnixTime;

use super::policy::VisitorPolicy;
use super::reserved::VisitorKind;

/// A lifetime is divided into so many parts, and what was opened is counted by part: more would count
/// more exactly and take more memory.
const PARTS: u64 = 64;

/// Counts what was opened, by kind.
#[derive(Debug)]
pub(crate) struct Rooms {
    pending: Room,
    visitors: Room,
}

impl Rooms {
    pub(crate) fn new(policy: &VisitorPolicy) -> Self {
        let room = |kind| Room::new(policy.lifetime_of(kind), policy.capacity_of(kind));
        Self {
            pending: room(VisitorKind::PendingLogin),
            visitors: room(VisitorKind::Visitor),
        }
    }

    /// Takes the place of a session that is to be opened; `None` if there is none.
    pub(crate) fn take(&self, kind: VisitorKind, now: UnixTime) -> Option<Place> {
        let part = self.room(kind).take(now)?;
        Some(Place { kind, part })
    }

    /// Gives a place back: no session was opened.
    pub(crate) fn give_back(&self, place: &Place) {
        self.room(place.kind).give_back(place.part);
    }

    const fn room(&self, kind: VisitorKind) -> &Room {
        match kind {
            VisitorKind::PendingLogin => &self.pending,
            VisitorKind::Visitor => &self.visitors,
        }
    }
}

/// The place of a session that is to be opened.
#[derive(Debug)]
pub(crate) struct Place {
    kind: VisitorKind,
    part: u64,
}

/// Counts the sessions that may still be live. One that was ended early keeps its place until it would
/// have expired.
#[derive(Debug)]
struct Room {
    capacity: u32,
    lifetime: u64,
    part: u64,
    opened: Mutex<Opened>,
}

#[derive(Debug, Default)]
struct Opened {
    total: u32,
    /// The number of each part of time and how many were opened in it, oldest first.
    parts: VecDeque<(u64, u32)>,
}

impl Room {
    fn new(lifetime: Duration, capacity: u32) -> Self {
        let lifetime = lifetime.as_secs();
        Self {
            capacity,
            lifetime,
            part: lifetime.div_ceil(PARTS).max(1),
            opened: Mutex::default(),
        }
    }

    /// Gives the part of time in which it is counted.
    fn take(&self, now: UnixTime) -> Option<u64> {
        let now = now.as_secs();
        let opened = &mut *self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((part, count)) = opened.parts.front() {
            // The last session of that part has expired.
            if (part + 1) * self.part + self.lifetime > now {
                break;
            }
            opened.total -= count;
            opened.parts.pop_front();
        }
        let part = now / self.part;
        let mut here = 0;
        // A clock that was ahead was set right. What was opened meanwhile counts as opened now, or it would
        // keep its place for as long as the clock was ahead.
        while let Some((last, count)) = opened.parts.back().copied()
            && last >= part
        {
            here += count;
            opened.parts.pop_back();
        }
        let free = opened.total < self.capacity;
        opened.total += u32::from(free);
        here += u32::from(free);
        if here > 0 {
            opened.parts.push_back((part, here));
        }
        free.then_some(part)
    }

    fn give_back(&self, part: u64) {
        let opened = &mut *self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        // If it has expired, it is free already.
        let counted = opened.parts.iter_mut().find(|(number, _)| *number == part);
        if let Some((_, count)) = counted.filter(|(_, count)| *count > 0) {
            *count -= 1;
            opened.total -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::from_secs(1_700_000_000 + seconds).unwrap()
    }

    #[test]
    fn no_more_than_the_capacity_can_be_live_at_any_time() {
        let lifetime = 3600;
        let room = Room::new(Duration::from_secs(lifetime), 1000);
        let mut opened: Vec<u64> = Vec::new();
        let mut refused = 0;
        for second in 0..4 * lifetime {
            if room.take(at(second)).is_some() {
                opened.push(second);
            } else {
                refused += 1;
            }
            let live = opened.iter().filter(|born| *born + lifetime > second);
            assert!(live.count() <= 1000, "at {second}");
        }
        // Three times as many were asked for as fit; nearly all places were used again and again.
        assert!(refused > 0 && opened.len() > 3800, "{}", opened.len());
        assert!(room.opened.lock().unwrap().parts.len() <= 66);
    }

    #[test]
    fn a_place_that_was_given_back_is_free_again_and_no_other() {
        let room = Room::new(Duration::from_secs(64), 2);
        let first = room.take(at(0)).unwrap();
        assert!(room.take(at(1)).is_some() && room.take(at(2)).is_none());
        room.give_back(first);
        room.give_back(first);
        let second = room.take(at(2)).unwrap();
        assert!(room.take(at(3)).is_none());
        // What has expired is not given back as well.
        assert!(room.take(at(200)).is_some());
        room.give_back(second);
        assert!(room.take(at(201)).is_some() && room.take(at(202)).is_none());
    }

    #[test]
    fn a_clock_that_is_set_back_makes_no_room() {
        let room = Room::new(Duration::from_secs(64), 2);
        assert!(room.take(at(100)).is_some() && room.take(at(0)).is_some());
        assert!(room.take(at(0)).is_none() && room.take(at(64)).is_none());
        // A lifetime after it was set back.
        assert!(room.take(at(66)).is_some() && room.take(at(66)).is_some());
        assert!(room.take(at(66)).is_none());
    }

    #[test]
    fn what_was_opened_by_a_clock_that_was_ahead_takes_no_room_for_longer_than_a_lifetime() {
        let lifetime = 600;
        let room = Room::new(Duration::from_secs(lifetime), 500);
        // Once, and until there is no more room.
        for ahead in [1, 500] {
            for _ in 0..ahead {
                assert!(room.take(at(86_400)).is_some(), "{ahead}");
            }
            // No more than 100 of these are live at any time.
            let refused = (0..7200).step_by(6).filter(|t| room.take(at(*t)).is_none());
            let refused: Vec<_> = refused.collect();
            assert!(refused.iter().all(|t| *t < lifetime + 20), "{refused:?}");
            assert!(ahead > 1 || refused.is_empty(), "{refused:?}");
            // A day later there is none of them left.
            assert!(room.take(at(2 * 86_400)).is_some());
            room.opened.lock().unwrap().parts.clear();
            room.opened.lock().unwrap().total = 0;
        }
    }
}
