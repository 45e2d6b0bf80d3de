//! Points in time, as arguments: the core never reads a clock.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use crate::types::invalid::InvalidValue;

/// A point in time in whole seconds since 1970-01-01T00:00:00Z, leap seconds ignored:
/// the `NumericDate` of [RFC 7519 section 2](https://www.rfc-editor.org/rfc/rfc7519#section-2).
///
/// The range is 0 to 253,402,300,799, the last second of the year 9999. So adding a lifetime never
/// overflows, and every store can keep a time as a signed 64-bit integer. Arithmetic saturates at both
/// ends of the range.
///
/// ```
/// use std::time::Duration;
/// use token_core::UnixTime;
///
/// let now = UnixTime::from_secs(1_700_000_000)?;
/// let expires = now + Duration::from_secs(300);
/// assert_eq!(expires.since(now), Duration::from_secs(300));
/// assert_eq!(now.since(expires), Duration::ZERO);
/// assert_eq!(now.to_string(), "2023-11-14T22:13:20Z");
/// # Ok::<(), token_core::types::InvalidValue>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64")]
pub struct UnixTime(u64);

impl UnixTime {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);
    /// 9999-12-31T23:59:59Z.
    pub const MAX: Self = Self(253_402_300_799);

    /// The given number of seconds after the epoch.
    ///
    /// # Errors
    /// [`InvalidValue`] past the year 9999.
    pub const fn from_secs(secs: u64) -> Result<Self, InvalidValue> {
        if secs > Self::MAX.0 {
            Err(InvalidValue::Time { seconds: secs })
        } else {
            Ok(Self(secs))
        }
    }

    /// Seconds since the epoch.
    pub const fn as_secs(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }

    /// The latest multiple of `step` that is not after this: a coarse time.
    /// A step of under two seconds changes nothing.
    #[must_use]
    pub(crate) fn round_down(self, step: Duration) -> Self {
        Self(self.0 - self.0 % step.as_secs().max(1))
    }

    /// The earliest multiple of `step` that is not before this.
    #[must_use]
    pub(crate) fn round_up(self, step: Duration) -> Self {
        let step = step.as_secs().max(1);
        Self(self.0.div_ceil(step).saturating_mul(step).min(Self::MAX.0))
    }
}

impl std::ops::Add<Duration> for UnixTime {
    type Output = Self;

    /// Adds whole seconds, at most to [`UnixTime::MAX`].
    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(rhs.as_secs()).min(Self::MAX.0))
    }
}

impl std::ops::Sub<Duration> for UnixTime {
    type Output = Self;

    /// Takes off whole seconds, at most down to [`UnixTime::EPOCH`].
    fn sub(self, rhs: Duration) -> Self {
        Self(self.0.saturating_sub(rhs.as_secs()))
    }
}

impl TryFrom<u64> for UnixTime {
    type Error = InvalidValue;

    fn try_from(secs: u64) -> Result<Self, InvalidValue> {
        Self::from_secs(secs)
    }
}

impl TryFrom<i64> for UnixTime {
    type Error = InvalidValue;

    fn try_from(secs: i64) -> Result<Self, InvalidValue> {
        Self::from_secs(u64::try_from(secs).map_err(|_| InvalidValue::Time { seconds: 0 })?)
    }
}

impl From<UnixTime> for i64 {
    /// Seconds since the epoch, as SQL keeps them.
    fn from(time: UnixTime) -> Self {
        time.0.cast_signed() // at most 2^38
    }
}

impl From<DateTime<Utc>> for UnixTime {
    /// Drops the part below a second; what lies outside the range becomes its nearer end.
    fn from(value: DateTime<Utc>) -> Self {
        let seconds = u64::try_from(value.timestamp()).unwrap_or(0);
        Self(seconds.min(Self::MAX.0))
    }
}

impl From<UnixTime> for DateTime<Utc> {
    fn from(value: UnixTime) -> Self {
        Self::from_timestamp(value.into(), 0).expect("chrono reaches past the year 9999")
    }
}

impl fmt::Display for UnixTime {
    /// [RFC 3339](https://www.rfc-editor.org/rfc/rfc3339), in UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&DateTime::<Utc>::from(*self).to_rfc3339_opts(SecondsFormat::Secs, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_stays_in_range() {
        assert_eq!(UnixTime::MAX + Duration::MAX, UnixTime::MAX);
        assert_eq!(UnixTime::EPOCH - Duration::MAX, UnixTime::EPOCH);
        assert_eq!(UnixTime::MAX.round_up(Duration::MAX), UnixTime::MAX);
        assert!(UnixTime::from_secs(UnixTime::MAX.0 + 1).is_err());
        assert!(UnixTime::try_from(-1_i64).is_err());
        assert_eq!(UnixTime::MAX.to_string(), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn rounding_keeps_multiples() {
        let five_minutes = Duration::from_mins(5);
        assert_eq!(UnixTime(299).round_down(five_minutes), UnixTime(0));
        assert_eq!(UnixTime(300).round_down(five_minutes), UnixTime(300));
        assert_eq!(UnixTime(300).round_up(five_minutes), UnixTime(300));
        assert_eq!(UnixTime(301).round_up(five_minutes), UnixTime(600));
        assert_eq!(UnixTime(7).round_down(Duration::ZERO), UnixTime(7));
    }
}
