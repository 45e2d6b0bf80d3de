//! The durations between the steps of a schedule.

use std::time::Duration;

use token_core::binding::BindingKeys;
use token_core::{Policy, UnixTime};

use super::error::ScheduleError;

/// How many keys a ring has room for.
const MAX_KEYS: u8 = 64;

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
    /// [`ScheduleError::Period`] if the period is too short for that.
    pub fn access(
        policy: &Policy,
        period: Duration,
        max_age: Duration,
        propagation: Duration,
    ) -> Result<Self, ScheduleError> {
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
    /// [`ScheduleError::Period`] if the period is too short for that.
    pub fn refresh(
        policy: &Policy,
        period: Duration,
        propagation: Duration,
    ) -> Result<Self, ScheduleError> {
        let margin = propagation + policy.tolerance() * 2;
        Self {
            period,
            lead: margin,
            keep: policy.absolute_lifetime() + margin,
        }
        .checked()
    }

    pub(super) const fn period(&self) -> Duration {
        self.period
    }

    /// From when on everybody knows a key that was published at that time.
    pub(super) fn known_from(&self, published_at: UnixTime) -> UnixTime {
        published_at + self.lead
    }

    /// When nobody needs a key any more whose successor began to sign at that time.
    pub(super) fn forgotten_from(&self, successor_signs_from: UnixTime) -> UnixTime {
        successor_signs_from + self.keep
    }

    /// When a key makes and recognises nothing but what it has signed, whose successor began to sign at that time.
    pub(super) fn retired_from(&self, successor_signs_from: UnixTime) -> UnixTime {
        successor_signs_from + self.keep.min(BindingKeys::RECOGNISED)
    }

    fn checked(self) -> Result<Self, ScheduleError> {
        // A shorter one would leave no key that may sign at once in an emergency, and a ring
        // has room for so many: current, next and another, one that is being replaced by hand.
        let room = f64::from(MAX_KEYS - 4);
        let least = self.lead.max(self.keep.div_f64(room));
        let least = Duration::from_secs(least.as_secs() + 1);
        if self.period < least {
            return Err(ScheduleError::Period {
                period: self.period,
                least,
            });
        }
        Ok(self)
    }
}
