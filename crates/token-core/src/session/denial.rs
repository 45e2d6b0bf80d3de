//! Why a credential was refused: evidence for the log, one word for its holder.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::binding::proof::Unproven;
use crate::session::record::Revocation;
use crate::types::count::Generation;
use crate::types::invalid::InvalidValue;
use crate::types::stored::words;
use crate::types::time::UnixTime;

/// A refused credential, with the evidence.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
#[must_use]
pub enum Denial {
    /// A deadline has passed.
    #[error("expired at {expires}, and it is {now}")]
    Expired {
        /// The node's clock.
        now: UnixTime,
        /// The deadline, exclusive.
        expires: UnixTime,
    },
    /// A later generation than the store has: it lost a write.
    #[error("generation {} was presented, and the store has only {}", presented.0, stored.0)]
    LostWrite {
        /// The generation that was presented.
        presented: Generation,
        /// The generation that the store has.
        stored: Generation,
    },
    /// Not genuinely ours.
    #[error("not a credential of ours")]
    Malformed,
    /// Signed by us, of a known generation, with another secret: forged with a stolen key, or the store
    /// lost a write. Nothing is revoked; operators should look.
    #[error("another secret for generation {}", generation.0)]
    Mismatch {
        /// The generation that was presented.
        generation: Generation,
    },
    /// A superseded credential came back, and the session was ended for it. It is made once the session
    /// is ended, by [`PendingReuse::committed`](crate::session::rule::PendingReuse::committed) alone.
    #[error("generation {} was presented after {} had replaced it", presented.0, stored.0)]
    #[non_exhaustive]
    Reused {
        /// The generation that was presented.
        presented: Generation,
        /// The generation that the store had.
        stored: Generation,
    },
    /// The session was ended.
    #[error("revoked at {} ({})", .0.at, .0.reason)]
    Revoked(Revocation),
    /// Superseded a moment ago, and a step-up or a change of password has ended it; the session lives on.
    #[error("superseded {} s ago, and ended by a step-up", age.as_secs())]
    Superseded {
        /// How long ago it was superseded.
        age: Duration,
    },
    /// The credential is genuine, and the request does not prove that its client has the key to which the
    /// session is bound. Nothing is written.
    #[error("no proof of the key that the session is bound to: {0}")]
    Unbound(Unproven),
    /// There is no such session: it was deleted, or never there.
    #[error("no such session")]
    Unknown,
}

impl Denial {
    /// What the holder of the credential is told.
    pub const fn reason(&self) -> DenialReason {
        match self {
            Self::Expired { .. } => DenialReason::Expired,
            Self::Malformed | Self::Mismatch { .. } => DenialReason::Malformed,
            Self::Reused { .. } => DenialReason::Reused,
            Self::Revoked(_) | Self::Superseded { .. } => DenialReason::Revoked,
            Self::Unbound(_) => DenialReason::Unbound,
            Self::LostWrite { .. } | Self::Unknown => DenialReason::Unknown,
        }
    }
}

words! {
    /// What the holder of a refused credential is told: the `reason` member of the answer.
    #[expect(clippy::exhaustive_enums, reason = "the HTTP contract has these six")]
    DenialReason {
        /// A deadline has passed.
        Expired = "expired",
        /// Not genuinely ours, whatever is wrong with it.
        Malformed = "malformed",
        /// It was superseded and came back, and the session is ended.
        Reused = "reused",
        /// The session was ended.
        Revoked = "revoked",
        /// It did not come with a proof of the key that the session is bound to; the session lives on.
        Unbound = "unbound",
        /// There is no such session.
        Unknown = "unknown",
    }
}
