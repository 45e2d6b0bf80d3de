//! How long things live, and what is tolerated. Every duration is in whole seconds.

use std::ops::RangeInclusive;
use std::time::Duration;

use thiserror::Error;

use crate::session::record::{RotatedBy, Session, Transport};
use crate::types::time::UnixTime;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Defines the settings of a policy: each has a default, the range that it must be in, a method of
/// [`Policy`] that reads it and one of [`PolicyBuilder`] that sets it.
macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident = $default:expr, $range:expr;)*) => {
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
            $($name: Duration,)*
            pub(crate) adopts_lost_writes: bool,
            adopts_until: Option<UnixTime>,
        }

        impl Policy {
            /// Starts with the default of each setting.
            pub const fn builder() -> PolicyBuilder {
                PolicyBuilder(Self {
                    $($name: Duration::from_secs($default),)*
                    adopts_lost_writes: false,
                    adopts_until: None,
                })
            }

            $($(#[$doc])* pub const fn $name(&self) -> Duration {
                self.$name
            })*

            /// The name of each setting, its value, and the seconds that it may have.
            fn settings(&self) -> impl Iterator<Item = (&'static str, Duration, RangeInclusive<u64>)> {
                [$((stringify!($name), self.$name, $range)),*].into_iter()
            }
        }

        impl PolicyBuilder {
            $($(#[$doc])* pub const fn $name(mut self, value: Duration) -> Self {
                self.0.$name = value;
                self
            })*
        }
    };
}

settings! {
    /// How long an access token lives at most. Default 5 minutes; 1 second to 1 hour. For so long an
    /// ended session can still be used if no revocation is checked.
    access_lifetime = 5 * MINUTE, 1..=HOUR;
    /// How long a session lives without being used. Default 30 days; 1 second to 400 days. One that is
    /// longer than the absolute lifetime is cut to it.
    idle_lifetime = 30 * DAY, 1..=400 * DAY;
    /// The idle lifetime of sessions with "remember me". Default 90 days; 1 second to 400 days. One that
    /// is longer than the absolute lifetime is cut to it.
    remember_idle_lifetime = 90 * DAY, 1..=400 * DAY;
    /// How long a session lives, used or not. Default 365 days; 1 second to 400 days, the longest that
    /// browsers keep a cookie ([RFC 10025 section 5.5](https://www.rfc-editor.org/rfc/rfc10025#section-5.5)).
    absolute_lifetime = 365 * DAY, 1..=400 * DAY;
    /// How long after a rotation the superseded token still gets the same successor. Default 30 seconds;
    /// 0 to 10 minutes. 0 means no replay at all, so that a lost answer costs the session.
    grace = 30, 0..=10 * MINUTE;
    /// How far the clocks of two nodes may differ. Default 5 seconds; 0 to 60 seconds. As times are whole
    /// seconds, give it one second more than clocks differ by, also on a single node.
    tolerance = 5, 0..=MINUTE;
    /// How long a request may wait for the store before it decides on what it has read. Default
    /// 10 seconds; 0 to 2 minutes. It counts from the moment at which the request's time is taken, so it
    /// is twice the store time-out of the session manager, as a write that finds another write in its way
    /// is followed by a read. The manager refuses a shorter one. A refresh rotates a token only if the
    /// last rotation is older than the grace, the tolerance and this margin together, and after a step-up
    /// in a transport with a cookie only an access lifetime later than that.
    store_margin = 10, 0..=2 * MINUTE;
    /// How often, at most, the use of a session cookie moves its idle deadline, and a refresh that gets the
    /// same token again. Default 1 minute; 0 seconds to 1 day. If it is longer than half of the shorter idle lifetime it is cut to that, so
    /// that a session never ends as idle while it is used.
    touch_interval = MINUTE, 0..=DAY;
    /// How long an ended session is kept, so that its tokens are refused by name. Default 1 day; 1 hour
    /// to 400 days, and 2 minutes and 3 tolerances longer than the access lifetime: a node that starts
    /// has to find what was ended while access tokens of it may live.
    tombstone = DAY, HOUR..=400 * DAY;
}

impl Policy {
    /// Grace plus tolerance, or `None` if the grace is 0: no replay at all.
    pub(crate) fn replay_window(&self) -> Option<Duration> {
        (!self.grace.is_zero()).then(|| self.grace + self.tolerance)
    }

    /// How long after the rotation that made a credential the next refresh may rotate it: as long as an
    /// honest client may present the one before, and the store margin. `None` if the grace is 0, because
    /// then every refresh rotates.
    ///
    /// A request that presents the previous token at the end of that window may wait for the store
    /// for as long as the margin. It must not find that a second rotation came first.
    pub(crate) fn rotation_interval(&self, by: RotatedBy, via: Transport) -> Option<Duration> {
        let window = self.replay_window()?;
        let window = match by {
            RotatedBy::Refresh => window,
            RotatedBy::StepUp => self.straggler_window(via),
        };
        Some(window + self.store_margin)
    }

    /// How long after a step-up a credential that it replaced is refused and does not end the session.
    ///
    /// An answer that was sent before the step-up and stored after it gives a browser the replaced
    /// cookie back. The browser presents it when it needs the next access token, that is within
    /// an access lifetime. A client that keeps its refresh token itself knows which is the latest.
    pub(crate) fn straggler_window(&self, transport: Transport) -> Duration {
        let window = self.grace + self.tolerance;
        match transport {
            Transport::Header => window,
            Transport::Cookie | Transport::Session => window + self.access_lifetime,
        }
    }

    /// The deadlines that a use at `now` gives a session.
    pub(crate) fn slide(&self, remember: bool, absolute: UnixTime, now: UnixTime) -> Slide {
        let idle = if remember {
            self.remember_idle_lifetime
        } else {
            self.idle_lifetime
        };
        self.kept_until((now + idle).min(absolute))
    }

    /// The deadlines of a session that ends then unless it is used.
    pub(crate) fn kept_until(&self, idle_expires_at: UnixTime) -> Slide {
        // Coarse, so that an index on it changes once a day and not at each refresh.
        let kept_until = (idle_expires_at + self.tombstone).max(self.adoption_ends());
        let purge_at = kept_until.round_up(Duration::from_secs(DAY));
        Slide {
            idle_expires_at,
            purge_at,
        }
    }

    /// When a session that is ended at `now` may be deleted; rounded up to whole hours.
    pub fn tombstone_until(&self, now: UnixTime) -> UnixTime {
        let kept_until = (now + self.tombstone).max(self.adoption_ends());
        kept_until.round_up(Duration::from_secs(HOUR))
    }

    /// Until when sessions and tokens of another system are adopted, if they are.
    pub const fn adopts_until(&self) -> Option<UnixTime> {
        self.adopts_until
    }

    /// When no node adopts any more, whatever its clock says. Until then an ended session stays stored: its
    /// old credential may still be good by the old rules, and would open the session again.
    fn adoption_ends(&self) -> UnixTime {
        let until = self.adopts_until.map(|until| until + self.tolerance);
        until.unwrap_or(UnixTime::EPOCH)
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
    /// From when on the session may be deleted; rounded up to whole days.
    pub purge_at: UnixTime,
}

impl Slide {
    /// The deadlines that a session has.
    pub(crate) const fn of(session: &Session) -> Self {
        Self {
            idle_expires_at: session.idle_expires_at,
            purge_at: session.purge_at,
        }
    }
}

/// Builds a [`Policy`].
#[derive(Clone, Debug)]
#[must_use]
pub struct PolicyBuilder(Policy);

impl PolicyBuilder {
    /// Goes on from a genuine token of a later generation than the store has: the store acknowledged a
    /// rotation and then lost it, as an asynchronous failover can.
    ///
    /// Without this the token is refused as `unknown`. Nothing is revoked, and an older token that the store
    /// knows still works. With it, the secret cannot be checked against the store, so anyone who has the
    /// refresh signing key and a session id could forge one. Choose it only if losing a few logins in a
    /// failover is worse.
    pub const fn adopt_lost_writes(mut self) -> Self {
        self.0.adopts_lost_writes = true;
        self
    }

    /// Until when sessions and tokens of another system are adopted, exclusive. Default: none is.
    ///
    /// All sessions that end before are kept until then, and longer than [`tombstone`](Self::tombstone) if
    /// need be, so that a logout is not undone by the old credential. Every process that ends sessions has
    /// to have the same instant.
    ///
    /// Once the first node has it, it may be moved to an earlier instant, and never to a later one: sessions that had
    /// ended by then are kept no longer than they were to be, and old credentials of theirs that are still good by
    /// the old rules would open them again. Begin with the longest that an old credential can live.
    pub const fn adopts_until(mut self, until: UnixTime) -> Self {
        self.0.adopts_until = Some(until);
        self
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`PolicyError`] names the value that is out of its range, and the range.
    pub fn build(mut self) -> Result<Policy, PolicyError> {
        let policy = &mut self.0;
        let absolute = policy.absolute_lifetime;
        policy.idle_lifetime = policy.idle_lifetime.min(absolute);
        policy.remember_idle_lifetime = policy.remember_idle_lifetime.min(absolute);
        for (name, value, range) in policy.settings() {
            if value.subsec_nanos() != 0 {
                return Err(PolicyError::Fraction { name, value });
            }
            if !range.contains(&value.as_secs()) {
                return Err(PolicyError::OutOfRange {
                    name,
                    value,
                    min: Duration::from_secs(*range.start()),
                    max: Duration::from_secs(*range.end()),
                });
            }
        }
        let idle = policy.idle_lifetime.min(policy.remember_idle_lifetime);
        let half = Duration::from_secs(idle.as_secs() / 2);
        policy.touch_interval = policy.touch_interval.min(half);
        // How long an ended session must be stored as ended: the access lifetime, the verifier's leeway
        // (one tolerance), what two nodes' clocks may differ by on either side, and as long as the ending
        // may have been on its way, from the instant that it bears.
        let min = policy.access_lifetime + policy.tolerance * 3 + Duration::from_secs(2 * MINUTE);
        let value = policy.tombstone;
        if value < min {
            return Err(PolicyError::TombstoneShort { value, min });
        }
        Ok(self.0)
    }
}

/// Durations that cannot be safe or useful.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// A duration has a part below a second; tokens count whole seconds.
    #[error("`{name}` of {value:?} is not in whole seconds")]
    Fraction {
        /// The name of the setting.
        name: &'static str,
        /// The value that was given.
        value: Duration,
    },
    /// A duration is too short or too long.
    #[error("`{name}` of {value:?} is not between {min:?} and {max:?}")]
    OutOfRange {
        /// The name of the setting.
        name: &'static str,
        /// The value that was given.
        value: Duration,
        /// The shortest that is allowed.
        min: Duration,
        /// The longest that is allowed.
        max: Duration,
    },
    /// An ended session would be deleted while access tokens of it may live.
    #[error(
        "a tombstone of {value:?} is deleted while access tokens of its session may live; use at \
         least {min:?}"
    )]
    TombstoneShort {
        /// The value that was given.
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
    fn a_value_out_of_range_is_named() {
        let error = Policy::builder()
            .access_lifetime(Duration::from_secs(DAY))
            .build();
        assert_eq!(
            error.unwrap_err().to_string(),
            "`access_lifetime` of 86400s is not between 1s and 3600s"
        );
        let error = Policy::builder().grace(Duration::from_millis(1500)).build();
        assert_eq!(
            error.unwrap_err().to_string(),
            "`grace` of 1.5s is not in whole seconds"
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
            "a tombstone of 3600s is deleted while access tokens of its session may live; use at \
             least 3735s"
        );
        assert!(build(hour + Duration::from_secs(134)).is_err());
    }

    #[test]
    fn while_sessions_are_adopted_every_tombstone_stays() {
        let at = |days| UnixTime::EPOCH + Duration::from_secs(days * DAY);
        let policy = Policy::builder().adopts_until(at(60)).build().unwrap();
        let hour = Duration::from_secs(HOUR);
        assert_eq!(policy.tombstone_until(at(1)), at(60) + hour);
        assert_eq!(policy.tombstone_until(at(60)), at(61));
        let day = Duration::from_secs(DAY);
        assert_eq!(policy.slide(false, at(2), at(1)).purge_at, at(60) + day);
        let later = policy.slide(false, at(90), at(61)).purge_at;
        assert_eq!(
            later,
            Policy::default().slide(false, at(90), at(61)).purge_at
        );
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
        assert_eq!(policy.idle_lifetime(), day);
        assert_eq!(policy.remember_idle_lifetime(), day);
    }
}
