//! Which proofs were used: none is accepted twice while it is fresh.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;

use thiserror::Error;

use crate::binding::dpop::proof::VerifiedProof;
use crate::binding::thumbprint::Thumbprint;
use crate::types::time::UnixTime;

/// The proofs of this process that are fresh and were used, as 16 bytes each, until they are too old. Other
/// nodes do not know of them: what is sent to two nodes is accepted by both.
///
/// Nothing is forgotten before its time, so room can run out. Ask [`remember`](Self::remember) only once the
/// token or the password has been found right: then nobody without a credential takes room.
#[derive(Debug)]
pub struct UsedProofs {
    capacity: usize,
    per_key: u32,
    count: usize,
    /// By the minute in which they end, the oldest first.
    slots: VecDeque<Slot>,
}

struct Slot {
    minute: u64,
    ids: HashSet<[u8; 16]>,
    by_key: HashMap<Thumbprint, u32>,
}

/// Why a proof is not accepted although it is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[expect(clippy::exhaustive_enums, reason = "it was used, or nobody can tell")]
pub enum NotRemembered {
    /// There is no room to remember it. Nothing is wrong with it: the client tries again later.
    #[error("there is no room to remember the proof")]
    Full,
    /// It was used before.
    #[error("the proof was used before")]
    Used,
}

impl UsedProofs {
    /// Room for `capacity` proofs, and for `per_key` of one key that end in the same minute.
    pub fn new(capacity: usize, per_key: u32) -> Self {
        Self {
            capacity,
            per_key,
            count: 0,
            slots: VecDeque::new(),
        }
    }

    /// Notes that a proof is used now.
    ///
    /// # Errors
    /// [`NotRemembered::Used`] if it was before, [`NotRemembered::Full`] if that cannot be noted.
    pub fn remember(&mut self, proof: &VerifiedProof, now: UnixTime) -> Result<(), NotRemembered> {
        while let Some(first) = self.slots.front()
            && first.minute < minute(now)
        {
            self.count = self.count.saturating_sub(first.ids.len());
            self.slots.pop_front();
        }
        let minute = minute(proof.good_until());
        let at = match self.slots.binary_search_by_key(&minute, |slot| slot.minute) {
            Ok(at) => at,
            Err(at) => {
                self.slots.insert(at, Slot::new(minute));
                at
            }
        };
        let slot = self.slots.get_mut(at).expect("it was found or made");
        if slot.ids.contains(&proof.id()) {
            return Err(NotRemembered::Used);
        }
        if self.count >= self.capacity {
            return Err(NotRemembered::Full);
        }
        let of_key = slot.by_key.entry(proof.thumbprint()).or_default();
        if *of_key >= self.per_key {
            return Err(NotRemembered::Full);
        }
        *of_key += 1;
        self.count += 1;
        slot.ids.insert(proof.id());
        Ok(())
    }

    /// How many are remembered.
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether none is.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl Slot {
    fn new(minute: u64) -> Self {
        Self {
            minute,
            ids: HashSet::new(),
            by_key: HashMap::new(),
        }
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} until minute {}", self.ids.len(), self.minute)
    }
}

fn minute(time: UnixTime) -> u64 {
    time.as_secs() / 60
}
