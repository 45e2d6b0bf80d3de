//! Which proofs were used: none is accepted twice while it is fresh.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;

use thiserror::Error;

use crate::binding::dpop::proof::VerifiedProof;
use crate::types::id::SessionId;
use crate::types::name::Subject;
use crate::types::time::UnixTime;

/// The proofs of this process that are fresh and were used, as 16 bytes each, until they are too old. Other
/// nodes do not know of them: what is sent to two nodes is accepted by both.
///
/// Nothing is forgotten before its time, so room can run out. Ask [`remember`](Self::remember) only once the
/// token or the password has been found right: then nobody without a credential takes room.
#[derive(Debug)]
pub struct UsedProofs {
    capacity: usize,
    per_owner: u32,
    count: usize,
    /// By the minute in which they end, the oldest first.
    slots: VecDeque<Slot>,
}

struct Slot {
    minute: u64,
    ids: HashSet<[u8; 16]>,
    by_owner: HashMap<ProofOwner, u32>,
}

/// For what a proof is used, and whose room it takes. Keys are no measure: anybody can make a new one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "what proofs are sent with")]
pub enum ProofOwner {
    /// A login of this user.
    Login(Subject),
    /// A refresh token of this session.
    Renewal(SessionId),
    /// An access token of this session.
    Session(SessionId),
}

/// Why a proof is not accepted although it is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[expect(
    clippy::exhaustive_enums,
    reason = "it is too old, was used, or nobody can tell"
)]
pub enum NotRemembered {
    /// It was good when it was verified, and is too old by now.
    #[error("the proof is too old")]
    Expired,
    /// There is no room to remember it. Nothing is wrong with it: the client tries again later.
    #[error("there is no room to remember the proof")]
    Full,
    /// It was used before.
    #[error("the proof was used before")]
    Used,
}

impl UsedProofs {
    /// So many proofs of one session's renewals that end in the same minute are remembered at most. Honest
    /// clients renew once in some minutes; and a proof is used before the session is read, so also the holder of
    /// a refresh token whose session has ended takes room.
    pub const RENEWALS: u32 = 60;

    /// Room for `capacity` proofs, and for `per_owner` of one owner that end in the same minute.
    pub fn new(capacity: usize, per_owner: u32) -> Self {
        Self {
            capacity,
            per_owner,
            count: 0,
            slots: VecDeque::new(),
        }
    }

    /// Notes that a proof is used now.
    ///
    /// # Errors
    /// [`NotRemembered::Expired`] if it is too old at `now`, [`NotRemembered::Used`] if it was used before,
    /// [`NotRemembered::Full`] if that cannot be noted.
    pub fn remember(
        &mut self,
        proof: &VerifiedProof,
        owner: ProofOwner,
        now: UnixTime,
    ) -> Result<(), NotRemembered> {
        // Time has passed since it was verified, and a use of it may be forgotten already.
        if now > proof.good_until() {
            return Err(NotRemembered::Expired);
        }
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
        let most = match owner {
            ProofOwner::Login(_) | ProofOwner::Session(_) => self.per_owner,
            ProofOwner::Renewal(_) => self.per_owner.min(Self::RENEWALS),
        };
        let of_owner = slot.by_owner.entry(owner).or_default();
        if *of_owner >= most {
            return Err(NotRemembered::Full);
        }
        *of_owner += 1;
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
            by_owner: HashMap::new(),
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
