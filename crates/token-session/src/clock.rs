//! The driver's source of time.

use std::time::Duration;

use chrono::Utc;
use token_core::UnixTime;
use tokio::time::Instant;

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

/// Whether a clock may be trusted with what cannot be made again, such as the deletion of what has expired by it. It
/// may not for an hour after it went ahead of the time that has passed: it was set wrong, or the machine was suspended.
///
/// A clock that is wrong from the start looks right.
#[derive(Clone, Copy, Debug)]
pub struct ClockWatch {
    /// When it was looked at, and what it said.
    seen: (Instant, UnixTime),
    jumped: Option<Instant>,
}

/// How far a clock may go ahead between two looks: a minute, and a hundredth of what passes for one that is slewed.
const AHEAD: Duration = Duration::from_secs(60);
/// How long a jump is not trusted.
const SETTLE: Duration = Duration::from_secs(60 * 60);

impl ClockWatch {
    /// Begins with what the clock says now.
    pub fn new(now: UnixTime) -> Self {
        Self {
            seen: (Instant::now(), now),
            jumped: None,
        }
    }

    /// Takes what the clock says now, and gives whether it may be trusted.
    pub fn trusts(&mut self, now: UnixTime) -> bool {
        let (at, time) = std::mem::replace(&mut self.seen, (Instant::now(), now));
        let passed = at.elapsed();
        if now > time + passed + passed / 100 + AHEAD {
            self.jumped = Some(Instant::now());
        }
        self.jumped.is_none_or(|jumped| jumped.elapsed() >= SETTLE)
    }
}
