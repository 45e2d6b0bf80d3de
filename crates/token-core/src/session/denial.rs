//! Why a credential was refused: evidence for the log, one word for its holder.

use std::fmt;
use std::time::Duration;

use crate::session::record::{Generation, Revocation};
use crate::types::time::UnixTime;

/// A refused credential, with the evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub enum Denial {
    /// A deadline has passed.
    Expired {
        /// The node's clock.
        now: UnixTime,
        /// The deadline, exclusive.
        expires: UnixTime,
    },
    /// A later generation than the store has: it lost a write.
    LostWrite {
        /// The generation that was presented.
        presented: Generation,
        /// The generation that the store has.
        stored: Generation,
    },
    /// Not genuinely ours.
    Malformed,
    /// Signed by us, of a known generation, with another secret: forged with a stolen key, or
    /// the store lost a write. Nothing is revoked; operators should look.
    Mismatch {
        /// The generation that was presented.
        generation: Generation,
    },
    /// A superseded credential came back, and the session was ended for it.
    Reused(Reused),
    /// The session was ended.
    Revoked(Revocation),
    /// Superseded by a step-up or a change of password a moment ago; the session lives on.
    Superseded {
        /// How long ago.
        age: Duration,
    },
    /// There is no such session: deleted, or never there.
    Unknown,
}

impl Denial {
    /// What the holder of the credential is told.
    pub const fn reason(&self) -> DenialReason {
        match self {
            Self::Expired { .. } => DenialReason::Expired,
            Self::Malformed | Self::Mismatch { .. } => DenialReason::Malformed,
            Self::Reused(_) => DenialReason::Reused,
            Self::Revoked(_) | Self::Superseded { .. } => DenialReason::Revoked,
            Self::LostWrite { .. } | Self::Unknown => DenialReason::Unknown,
        }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired { now, expires } => write!(f, "over since {expires}, now {now}"),
            Self::LostWrite { presented, stored } => write!(
                f,
                "generation {} was presented, the store has only {}",
                presented.as_u64(),
                stored.as_u64()
            ),
            Self::Malformed => f.write_str("not a credential of ours"),
            Self::Mismatch { generation } => {
                write!(f, "another secret for generation {}", generation.as_u64())
            }
            Self::Reused(reused) => write!(
                f,
                "generation {} was presented after {} had replaced it",
                reused.presented.as_u64(),
                reused.stored.as_u64()
            ),
            Self::Revoked(revocation) => {
                write!(f, "ended at {} ({})", revocation.at, revocation.reason)
            }
            Self::Superseded { age } => {
                write!(f, "superseded by a step-up {} s ago", age.as_secs())
            }
            Self::Unknown => f.write_str("no such session"),
        }
    }
}

impl std::error::Error for Denial {}

/// The evidence of a reuse. Only made once the session is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reused {
    presented: Generation,
    stored: Generation,
}

impl Reused {
    pub(crate) const fn new(presented: Generation, stored: Generation) -> Self {
        Self { presented, stored }
    }

    /// The generation that was presented.
    pub const fn presented(&self) -> Generation {
        self.presented
    }

    /// The generation that the store had.
    pub const fn stored(&self) -> Generation {
        self.stored
    }
}

/// What the holder of a refused credential is told: the `reason` member of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the HTTP contract has these five")]
pub enum DenialReason {
    /// A deadline has passed.
    Expired,
    /// Not genuinely ours, whatever is wrong with it.
    Malformed,
    /// It was superseded and came back; the session is ended.
    Reused,
    /// It was ended.
    Revoked,
    /// There is no such session.
    Unknown,
}

impl DenialReason {
    /// The word in the answer.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Malformed => "malformed",
            Self::Reused => "reused",
            Self::Revoked => "revoked",
            Self::Unknown => "unknown",
        }
    }
}
