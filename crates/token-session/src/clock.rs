//! The driver's source of time.

use chrono::Utc;
use token_core::UnixTime;

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// Now, in whole seconds. Nodes on one store may differ by the policy's tolerance.
    fn now(&self) -> UnixTime;
}

/// The clock of the machine. Keep it right with NTP.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        Utc::now().into()
    }
}
