//! The durations between the steps of a schedule.

use std::time::Duration;

use thiserror::Error;

use crate::keys::ring::KeyRing;
use crate::session::policy::Policy;
use crate::types::time::UnixTime;

/// How long a key signs, how long it is published before that, and how long it is kept after.
/// Every duration is in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RotationPolicy {
    period: Duration,
    lead: Duration,
    keep: Duration,
}

impl RotationPolicy {
    /// For the keys of access tokens.
    ///
    /// `period` is how long each signs, `max_age` for how long a verifier may keep the JWK set,
    /// and `propagation` how long it takes until every node has a changed schedule. A key is
    /// published `max_age + propagation + 2 × tolerance` before it signs, and kept for
    /// `access lifetime + propagation + 2 × tolerance` after that.
    ///
    /// # Errors
    /// [`RotationPolicyError`] where the period is too short for that.
    pub fn access(
        policy: &Policy,
        period: Duration,
        max_age: Duration,
        propagation: Duration,
    ) -> Result<Self, RotationPolicyError> {
        // The clocks of two nodes may be off, one each way.
        let margin = propagation + policy.tolerance() * 2;
        Self {
            period,
            lead: max_age + margin,
            keep: policy.access_lifetime() + margin,
        }
        .checked()
    }

    /// For the keys of refresh tokens, which only the nodes verify: no JWK set has them. Each
    /// is kept for an absolute lifetime after it signed, so that also the oldest token that
    /// comes back is known and ends its session.
    ///
    /// # Errors
    /// [`RotationPolicyError`] where the period is too short for that.
    pub fn refresh(
        policy: &Policy,
        period: Duration,
        propagation: Duration,
    ) -> Result<Self, RotationPolicyError> {
        let margin = propagation + policy.tolerance() * 2;
        Self {
            period,
            lead: margin,
            keep: policy.absolute_lifetime() + margin,
        }
        .checked()
    }

    /// How long each key signs.
    pub const fn period(&self) -> Duration {
        self.period
    }

    /// How long before that it is published.
    pub const fn lead(&self) -> Duration {
        self.lead
    }

    /// How long after that it is kept.
    pub const fn keep(&self) -> Duration {
        self.keep
    }

    /// From when on everybody knows a key that was published at that time.
    pub(super) fn known_from(&self, published_at: UnixTime) -> UnixTime {
        published_at + self.lead
    }

    /// When nobody needs a key any more whose successor began to sign at that time.
    pub(super) fn forgotten_from(&self, successor_signs_from: UnixTime) -> UnixTime {
        successor_signs_from + self.keep
    }

    fn checked(self) -> Result<Self, RotationPolicyError> {
        // A shorter one would leave no key that may sign at once in an emergency, and a ring
        // has room for so many: current, next and another, one that is being replaced by hand.
        let room = u32::try_from(KeyRing::MAX_KEYS - 4).expect("a small number");
        let least = self.lead.max(self.keep.div_f64(f64::from(room)));
        let least = Duration::from_secs(least.as_secs() + 1);
        if self.period < least {
            return Err(RotationPolicyError::Period {
                period: self.period,
                least,
            });
        }
        Ok(self)
    }
}

/// Durations that do not go together.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RotationPolicyError {
    /// Keys would change too often.
    #[error(
        "a key that signs for {} s is replaced too early for these lifetimes; let it sign for at least {} s",
        period.as_secs(), least.as_secs()
    )]
    Period {
        /// What was asked for.
        period: Duration,
        /// The shortest that goes.
        least: Duration,
    },
}
