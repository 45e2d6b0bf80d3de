//! Values side by side, named by a number of four bytes.

use std::iter;
use std::num::NonZeroU32;
use std::ops::Range;

/// So many values are allocated at a time: a vector that doubles would have room for a quarter more
/// than is in it on average, and would move all values to grow.
const CHUNK: usize = 32;

/// The place of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(NonZeroU32);

/// Values, each at a place that it keeps.
#[derive(Debug)]
pub(super) struct Slab<T> {
    chunks: Vec<Box<[Slot<T>]>>,
    free: Option<Place>,
}

#[derive(Debug)]
enum Slot<T> {
    Free { next: Option<Place> },
    Taken(T),
}

impl<T> Slab<T> {
    pub(super) fn get(&self, place: Place) -> &T {
        let (chunk, slot) = place.split();
        match self.chunks.get(chunk).and_then(|slots| slots.get(slot)) {
            Some(Slot::Taken(value)) => value,
            _ => unreachable!("a place is kept as long as its value"),
        }
    }

    pub(super) fn get_mut(&mut self, place: Place) -> &mut T {
        match self.slot(place) {
            Slot::Taken(value) => value,
            Slot::Free { .. } => unreachable!("a place is kept as long as its value"),
        }
    }

    /// The values at some places.
    pub(super) fn taken(&self, indices: Range<usize>) -> impl Iterator<Item = (Place, &T)> {
        let end = indices.end.min(self.chunks.len() * CHUNK);
        (indices.start..end).filter_map(|index| {
            match self.chunks.get(index / CHUNK)?.get(index % CHUNK)? {
                Slot::Taken(value) => Some((Place::of(index), value)),
                Slot::Free { .. } => None,
            }
        })
    }

    pub(super) fn insert(&mut self, value: T) -> Place {
        if self.free.is_none() {
            self.grow();
        }
        let place = self.free.expect("it has just grown");
        let slot = self.slot(place);
        let Slot::Free { next } = *slot else {
            unreachable!("the list is of free slots");
        };
        *slot = Slot::Taken(value);
        self.free = next;
        place
    }

    pub(super) fn remove(&mut self, place: Place) -> T {
        let next = self.free;
        let slot = std::mem::replace(self.slot(place), Slot::Free { next });
        self.free = Some(place);
        match slot {
            Slot::Taken(value) => value,
            Slot::Free { .. } => unreachable!("a place is kept as long as its value"),
        }
    }

    fn slot(&mut self, place: Place) -> &mut Slot<T> {
        let (chunk, slot) = place.split();
        let slots = self.chunks.get_mut(chunk);
        slots
            .and_then(|slots| slots.get_mut(slot))
            .expect("a place is one of this slab")
    }

    fn grow(&mut self) {
        let free = || Slot::Free { next: None };
        let first = self.chunks.len() * CHUNK;
        self.chunks
            .push(iter::repeat_with(free).take(CHUNK).collect());
        for index in (first..first + CHUNK).rev() {
            let (place, next) = (Place::of(index), self.free);
            *self.slot(place) = Slot::Free { next };
            self.free = Some(place);
        }
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            free: None,
        }
    }
}

impl Place {
    fn of(index: usize) -> Self {
        let number = u32::try_from(index + 1).ok().and_then(NonZeroU32::new);
        Self(number.expect("a shard has fewer than 2^32 sessions"))
    }

    pub(super) fn index(self) -> usize {
        usize::try_from(self.0.get() - 1).expect("a place is an index")
    }

    fn split(self) -> (usize, usize) {
        (self.index() / CHUNK, self.index() % CHUNK)
    }
}
