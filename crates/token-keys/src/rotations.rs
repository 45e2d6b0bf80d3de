//! How often keys are replaced.

use std::time::Duration;

use token_core::Policy;
use token_session::schedule::{RotationPolicy, ScheduleError};

/// How long it takes until every server has read a changed file: each looks once a second.
const PROPAGATION: Duration = Duration::from_secs(3);

/// How often each kind of key is replaced.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a pair")]
pub struct Rotations {
    /// For access keys.
    pub access: RotationPolicy,
    /// For refresh keys. They are kept for as long as a session may live, and replaced at most 60
    /// times in that time.
    pub refresh: RotationPolicy,
}

impl Rotations {
    /// `period` is how long each access key signs, `max_age` how long the JWK set is cached.
    ///
    /// # Errors
    /// [`ScheduleError`] if the period is too short for these lifetimes.
    pub fn new(
        policy: &Policy,
        period: Duration,
        max_age: Duration,
    ) -> Result<Self, ScheduleError> {
        let refresh = |period| RotationPolicy::refresh(policy, period, PROPAGATION);
        Ok(Self {
            access: RotationPolicy::access(policy, period, max_age, PROPAGATION)?,
            refresh: match refresh(period) {
                Err(ScheduleError::Period { least, .. }) => refresh(least)?,
                other => other?,
            },
        })
    }
}
