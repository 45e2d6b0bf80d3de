//! How long things live, and what is tolerated. Every duration is in whole seconds.

use std::time::Duration;

use thiserror::Error;

use crate::session::record::Session;
use crate::types::time::UnixTime;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The lifetimes and tolerances of all sessions of an application, checked when built.
///
/// ```
/// use std::time::Duration;
/// use token_core::Policy;
///
/// let policy = Policy::builder()
///     .access_lifetime(Duration::from_secs(600))
///     .idle_lifetime(Duration::from_secs(14 * 24 * 3600))
///     .build()?;
/// assert_eq!(policy.grace(), Duration::from_secs(30));
/// # Ok::<(), token_core::session::PolicyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Policy {
    access_lifetime: Duration,
    idle_lifetime: Duration,
    remember_idle_lifetime: Duration,
    absolute_lifetime: Duration,
    grace: Duration,
    tolerance: Duration,
    store_margin: Duration,
    touch_interval: Duration,
    tombstone: Duration,
    lost_writes: LostWrites,
}

impl Policy {
    /// Starts with the defaults that each method of [`PolicyBuilder`] names.
    pub fn builder() -> PolicyBuilder {
        PolicyBuilder(Self {
            access_lifetime: Duration::from_secs(5 * MINUTE),
            idle_lifetime: Duration::from_secs(30 * DAY),
            remember_idle_lifetime: Duration::from_secs(90 * DAY),
            absolute_lifetime: Duration::from_secs(365 * DAY),
            grace: Duration::from_secs(30),
            tolerance: Duration::from_secs(5),
            store_margin: Duration::from_secs(10),
            touch_interval: Duration::from_secs(MINUTE),
            tombstone: Duration::from_secs(DAY),
            lost_writes: LostWrites::Refuse,
        })
    }

    /// How long an access token lives at most.
    pub const fn access_lifetime(&self) -> Duration {
        self.access_lifetime
    }

    /// How long a session lives without being used.
    pub const fn idle_lifetime(&self, remember: bool) -> Duration {
        if remember {
            self.remember_idle_lifetime
        } else {
            self.idle_lifetime
        }
    }

    /// How long a session lives, used or not.
    pub const fn absolute_lifetime(&self) -> Duration {
        self.absolute_lifetime
    }

    /// How long after a rotation the superseded token still gets the same successor.
    pub const fn grace(&self) -> Duration {
        self.grace
    }

    /// How far the clocks of two nodes may differ.
    pub const fn tolerance(&self) -> Duration {
        self.tolerance
    }

    /// How long a request may wait for the store before it decides on what it has read.
    pub const fn store_margin(&self) -> Duration {
        self.store_margin
    }

    /// How often, at most, the use of a session cookie moves its idle deadline.
    pub const fn touch_interval(&self) -> Duration {
        self.touch_interval
    }

    /// How long an ended session is kept, so that its tokens are refused by name.
    pub const fn tombstone(&self) -> Duration {
        self.tombstone
    }

    /// How long an ended session must be stored as ended: the access lifetime, the verifier's
    /// leeway (one tolerance), what two nodes' clocks may differ by on either side, and as long
    /// as the ending may have been on its way, from the instant that it bears.
    fn shortest_tombstone(&self) -> Duration {
        self.access_lifetime + self.tolerance * 3 + Duration::from_secs(2 * MINUTE)
    }

    /// What to do with a token of a later generation than the store has.
    pub const fn lost_writes(&self) -> LostWrites {
        self.lost_writes
    }

    /// Grace plus tolerance, or `None` where the grace is 0: no replay at all.
    pub const fn replay_window(&self) -> Option<Duration> {
        if self.grace.is_zero() {
            None
        } else {
            Some(self.straggler_window())
        }
    }

    /// How long after a rotation the next refresh may rotate: the replay window and the store
    /// margin, or `None` if the grace is 0, because then every refresh rotates.
    ///
    /// A request that presents the previous token at the end of the replay window may wait for the
    /// store for as long as the margin. It must not find that a second rotation came first.
    pub(crate) fn rotation_interval(&self) -> Option<Duration> {
        self.replay_window()
            .map(|window| window.saturating_add(self.store_margin))
    }

    /// How long after a step-up the older tokens are refused without ending the session.
    pub(crate) const fn straggler_window(&self) -> Duration {
        self.grace.saturating_add(self.tolerance)
    }

    /// The deadlines that a use at `now` gives a session.
    pub(crate) fn slide(&self, remember: bool, absolute: UnixTime, now: UnixTime) -> Slide {
        let idle_expires_at = (now + self.idle_lifetime(remember)).min(absolute);
        // Coarse, so that an index on it changes once a day and not at each refresh.
        let purge_at = (idle_expires_at + self.tombstone).round_up(Duration::from_secs(DAY));
        Slide {
            idle_expires_at,
            purge_at,
        }
    }

    /// When a session that is ended at `now` may be forgotten; rounded up to whole hours.
    pub fn tombstone_until(&self, now: UnixTime) -> UnixTime {
        (now + self.tombstone).round_up(Duration::from_secs(HOUR))
    }

    /// When an access token issued at `now` expires: never after its session.
    pub(crate) fn access_expires_at(&self, session: &Session, now: UnixTime) -> UnixTime {
        (now + self.access_lifetime).min(session.expires_at())
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::builder().0
    }
}

/// The deadlines that a use gives a session, computed once so that stores only copy them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slide {
    /// The new idle deadline, never after the absolute one.
    pub idle_expires_at: UnixTime,
    /// From when on the row may be deleted; rounded up to whole days.
    pub purge_at: UnixTime,
}

/// What to do with a genuine token of a later generation than the store has: the store
/// acknowledged a rotation and then lost it, as an asynchronous failover can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the store either is believed or the token is"
)]
pub enum LostWrites {
    /// Go on from the token. Its secret cannot be checked against the store, so whoever has
    /// the refresh signing key and a session id could forge one: choose it only where losing
    /// a few logins in a failover is worse.
    Adopt,
    /// Refuse it as `unknown`; nothing is revoked, and an older token that the store knows
    /// still works.
    #[default]
    Refuse,
}

/// Builds a [`Policy`].
#[derive(Clone, Debug)]
#[must_use]
pub struct PolicyBuilder(Policy);

impl PolicyBuilder {
    /// Default 5 minutes; 1 second to 1 hour. How long an ended session can still be used
    /// where no revocation is checked.
    pub fn access_lifetime(mut self, value: Duration) -> Self {
        self.0.access_lifetime = value;
        self
    }

    /// Default 30 days; 1 second to 400 days, at most the absolute lifetime.
    pub fn idle_lifetime(mut self, value: Duration) -> Self {
        self.0.idle_lifetime = value;
        self
    }

    /// Default 90 days; the idle lifetime of sessions with "remember me", within the same
    /// bounds.
    pub fn remember_idle_lifetime(mut self, value: Duration) -> Self {
        self.0.remember_idle_lifetime = value;
        self
    }

    /// Default 365 days; 1 second to 400 days, the longest that browsers keep a cookie
    /// ([RFC 10025 section 5.5](https://www.rfc-editor.org/rfc/rfc10025#section-5.5)).
    /// Shorter idle lifetimes are cut to it.
    pub fn absolute_lifetime(mut self, value: Duration) -> Self {
        self.0.absolute_lifetime = value;
        self
    }

    /// Default 30 seconds; 0 to 10 minutes. 0 means no replay at all: a lost answer then
    /// costs the session.
    pub fn grace(mut self, value: Duration) -> Self {
        self.0.grace = value;
        self
    }

    /// Default 5 seconds; 0 to 60 seconds. It also covers that times are whole seconds: give it one
    /// more than clocks differ by, also on a single node.
    pub fn tolerance(mut self, value: Duration) -> Self {
        self.0.tolerance = value;
        self
    }

    /// Default 10 seconds; 0 to 2 minutes. How long a request may wait for the store, from the
    /// moment at which its time is taken to the last read that it decides on: twice the store
    /// time-out of the session manager, because a write that finds another write in its way is
    /// followed by a read. The manager refuses a shorter one. A refresh rotates a token only if the
    /// last rotation is older than the grace, the tolerance and this margin together.
    pub fn store_margin(mut self, value: Duration) -> Self {
        self.0.store_margin = value;
        self
    }

    /// Default 1 minute; 0 seconds to 1 day. One that is longer than half of the shorter idle
    /// lifetime is cut to that, so that a session never ends as idle while it is used.
    pub fn touch_interval(mut self, value: Duration) -> Self {
        self.0.touch_interval = value;
        self
    }

    /// Default 1 day; 1 hour to 400 days, and 2 minutes and 3 tolerances longer than the access
    /// lifetime: a node that starts has to find what was ended while access tokens of it may live.
    pub fn tombstone(mut self, value: Duration) -> Self {
        self.0.tombstone = value;
        self
    }

    /// Default [`LostWrites::Refuse`].
    pub fn lost_writes(mut self, value: LostWrites) -> Self {
        self.0.lost_writes = value;
        self
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`PolicyError`] names the value that is out of its range, and the range.
    pub fn build(mut self) -> Result<Policy, PolicyError> {
        let p = &mut self.0;
        let day400 = 400 * DAY;
        p.idle_lifetime = p.idle_lifetime.min(p.absolute_lifetime);
        p.remember_idle_lifetime = p.remember_idle_lifetime.min(p.absolute_lifetime);
        for (name, value, min, max) in [
            ("access lifetime", p.access_lifetime, 1, HOUR),
            ("idle lifetime", p.idle_lifetime, 1, day400),
            (
                "remembered idle lifetime",
                p.remember_idle_lifetime,
                1,
                day400,
            ),
            ("absolute lifetime", p.absolute_lifetime, 1, day400),
            ("grace", p.grace, 0, 10 * MINUTE),
            ("tolerance", p.tolerance, 0, MINUTE),
            ("store margin", p.store_margin, 0, 2 * MINUTE),
            ("touch interval", p.touch_interval, 0, DAY),
            ("tombstone", p.tombstone, HOUR, day400),
        ] {
            if value.subsec_nanos() != 0 {
                return Err(PolicyError::Fraction { name, value });
            }
            if !(min..=max).contains(&value.as_secs()) {
                let (min, max) = (Duration::from_secs(min), Duration::from_secs(max));
                return Err(PolicyError::OutOfRange {
                    name,
                    value,
                    min,
                    max,
                });
            }
        }
        let idle = self.0.idle_lifetime.min(self.0.remember_idle_lifetime);
        let half = Duration::from_secs(idle.as_secs() / 2);
        self.0.touch_interval = self.0.touch_interval.min(half);
        let (value, min) = (self.0.tombstone, self.0.shortest_tombstone());
        if value < min {
            return Err(PolicyError::TombstoneShort { value, min });
        }
        Ok(self.0)
    }
}

/// A [`Policy`](crate::Policy) that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// A duration has a part below a second; tokens count whole seconds.
    #[error("{name} of {value:?} is not in whole seconds")]
    Fraction {
        /// Which setting.
        name: &'static str,
        /// What was given.
        value: Duration,
    },
    /// A duration is too short or too long to be safe or useful.
    #[error("{name} of {value:?} is not between {min:?} and {max:?}")]
    OutOfRange {
        /// Which setting.
        name: &'static str,
        /// What was given.
        value: Duration,
        /// The shortest allowed.
        min: Duration,
        /// The longest allowed.
        max: Duration,
    },
    /// An ended session would be forgotten while access tokens of it may live.
    #[error(
        "a tombstone of {value:?} is forgotten while access tokens of its session may live; use \
         at least {min:?}"
    )]
    TombstoneShort {
        /// What was given.
        value: Duration,
        /// The access lifetime with what clocks may add.
        min: Duration,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_passes_its_own_check() {
        assert!(Policy::builder().build().is_ok());
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        let error = Policy::builder()
            .access_lifetime(Duration::from_secs(DAY))
            .build();
        assert_eq!(
            error.unwrap_err().to_string(),
            "access lifetime of 86400s is not between 1s and 3600s"
        );
        let error = Policy::builder().grace(Duration::from_millis(1500)).build();
        assert_eq!(
            error.unwrap_err().to_string(),
            "grace of 1.5s is not in whole seconds"
        );
    }

    #[test]
    fn a_tombstone_outlives_every_access_token() {
        let hour = Duration::from_secs(HOUR);
        let build = |tombstone| {
            let policy = Policy::builder().access_lifetime(hour);
            policy.tombstone(tombstone).build()
        };
        assert!(build(hour + Duration::from_secs(135)).is_ok());
        assert_eq!(
            build(hour).unwrap_err().to_string(),
            "a tombstone of 3600s is forgotten while access tokens of its session may live; use \
             at least 3735s"
        );
        assert!(build(hour + Duration::from_secs(134)).is_err());
    }

    #[test]
    fn a_touch_interval_is_at_most_half_an_idle_lifetime() {
        let build = |idle, remember, touch| {
            let policy = Policy::builder()
                .idle_lifetime(Duration::from_secs(idle))
                .remember_idle_lifetime(Duration::from_secs(remember))
                .touch_interval(Duration::from_secs(touch));
            policy.build().unwrap().touch_interval().as_secs()
        };
        assert_eq!(build(120, 240, 60), 60);
        assert_eq!(build(119, 240, 60), 59);
        assert_eq!(build(240, 90, 60), 45);
        assert_eq!(build(1, 1, 60), 0);
    }

    #[test]
    fn an_idle_lifetime_never_exceeds_the_absolute_one() {
        let day = Duration::from_secs(DAY);
        let policy = Policy::builder().absolute_lifetime(day).build().unwrap();
        assert_eq!(policy.idle_lifetime(false), day);
        assert_eq!(policy.idle_lifetime(true), day);
    }
}
