//! The keys of proofs that were accepted lately, so that none is read twice.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::binding::dpop::header::Key;

/// The longest header that is kept, in bytes. One with a key on P-256 has some 240.
const LONGEST: usize = 512;

/// The keys of headers that came with good proofs. A client sends the same header with each request, and to
/// read its key costs about as much as everything else but the signature.
///
/// Each header has one place, and a newer one takes it from an older one. So a client that sends proofs by many
/// keys makes the requests of others slower, and changes nothing else. A key belongs to the
/// whole text of its header.
pub struct KnownKeys {
    hasher: RandomState,
    places: Box<[Mutex<Option<Known>>]>,
}

struct Known {
    header: Box<[u8]>,
    key: Arc<Key>,
}

impl KnownKeys {
    /// Room for `capacity` keys, of some 1,500 bytes each; with 0 none is kept.
    pub fn new(capacity: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            places: (0..capacity).map(|_| Mutex::default()).collect(),
        }
    }

    /// The key of this header, which is still encoded.
    pub(super) fn find(&self, header: &[u8]) -> Option<Arc<Key>> {
        let known = self.place(header)?;
        let known = known.as_ref().filter(|known| *known.header == *header);
        known.map(|known| Arc::clone(&known.key))
    }

    /// Keeps the key of this header, in the place of another one if need be.
    pub(super) fn keep(&self, header: &[u8], key: &Arc<Key>) {
        if header.len() > LONGEST {
            return;
        }
        let known = Known {
            header: header.into(),
            key: Arc::clone(key),
        };
        if let Some(mut place) = self.place(header) {
            *place = Some(known);
        }
    }

    fn place(&self, header: &[u8]) -> Option<MutexGuard<'_, Option<Known>>> {
        let hash = usize::try_from(self.hasher.hash_one(header) & u64::from(u32::MAX)).ok()?;
        let place = self.places.get(hash.checked_rem(self.places.len())?)?;
        // Nothing in it is half done if a thread panics.
        Some(place.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for KnownKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let capacity = self.places.len();
        f.debug_struct("KnownKeys")
            .field("capacity", &capacity)
            .finish_non_exhaustive()
    }
}
