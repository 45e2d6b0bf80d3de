//! The clock of this machine.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970, by what the machine says it is.
pub(crate) fn wall() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    millis(since.unwrap_or_default())
}

/// A duration in milliseconds.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
