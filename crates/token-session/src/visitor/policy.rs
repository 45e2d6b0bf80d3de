//! How long sessions of nobody live, and how many are opened.

use std::time::Duration;

use super::reserved::VisitorKind;

/// How long sessions of nobody live, how many a node opens, and how much they hold.
///
/// A visitor costs nothing until something is stored for them. From then on a session is stored until its
/// end, and anyone can have one opened, so their number is bounded: a node opens at most
/// [`capacity`](Self::capacity) within one lifetime. Leave the store room for logins beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct VisitorPolicy {
    lifetime: Duration,
    pending_lifetime: Duration,
    capacity: u32,
    pending_capacity: u32,
}

impl VisitorPolicy {
    /// The most private data that is kept, in bytes of JSON.
    pub const MAX_DATA: usize = 4 * 1024;
    /// The longest life of a visitor's session.
    pub const MAX_LIFETIME: Duration = Duration::from_secs(90 * 24 * 3600);
    /// The longest life of a pending login.
    pub const MAX_PENDING_LIFETIME: Duration = Duration::from_secs(3600);
    /// The shortest life of either.
    pub const MIN_LIFETIME: Duration = Duration::from_secs(60);

    /// How long a visitor's session lives, used or not, in whole seconds. Default 1 day; between 1 minute
    /// and 90 days.
    pub const fn lifetime(self, lifetime: Duration) -> Self {
        Self { lifetime, ..self }
    }

    /// How long a login may take from its first proof to its last. Default 10 minutes; 1 minute to 1 hour,
    /// in whole seconds.
    pub const fn pending_lifetime(self, lifetime: Duration) -> Self {
        let pending_lifetime = lifetime;
        Self {
            pending_lifetime,
            ..self
        }
    }

    /// How many visitors' sessions this node opens at most within one lifetime. Default 20,000; each takes
    /// about 1 KB and its data. With 0 none is opened.
    pub const fn capacity(self, capacity: u32) -> Self {
        Self { capacity, ..self }
    }

    /// The same for pending logins, which have proven something already. Default 5,000.
    pub const fn pending_capacity(self, capacity: u32) -> Self {
        let pending_capacity = capacity;
        Self {
            pending_capacity,
            ..self
        }
    }

    /// How long a session of this kind lives.
    pub(crate) const fn lifetime_of(&self, kind: VisitorKind) -> Duration {
        match kind {
            VisitorKind::PendingLogin => self.pending_lifetime,
            VisitorKind::Visitor => self.lifetime,
        }
    }

    /// How many of this kind are opened within one lifetime.
    pub(crate) const fn capacity_of(&self, kind: VisitorKind) -> u32 {
        match kind {
            VisitorKind::PendingLogin => self.pending_capacity,
            VisitorKind::Visitor => self.capacity,
        }
    }

    /// The first lifetime that is out of its range.
    pub(crate) fn out_of_range(&self) -> Option<Duration> {
        let ranges = [
            (self.lifetime, Self::MAX_LIFETIME),
            (self.pending_lifetime, Self::MAX_PENDING_LIFETIME),
        ];
        let wrong = |(lifetime, max): &(Duration, Duration)| {
            !(Self::MIN_LIFETIME..=*max).contains(lifetime) || lifetime.subsec_nanos() != 0
        };
        let found = ranges.into_iter().find(wrong);
        found.map(|(lifetime, _)| lifetime)
    }
}

impl Default for VisitorPolicy {
    fn default() -> Self {
        Self {
            lifetime: Duration::from_secs(24 * 3600),
            pending_lifetime: Duration::from_secs(10 * 60),
            capacity: 20_000,
            pending_capacity: 5_000,
        }
    }
}
