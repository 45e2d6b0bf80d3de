//! Both clocks, and random fractions.

/// Both clocks of this machine, read together, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    /// Since 1970, by what the machine says it is. It may jump.
    pub(crate) wall: i64,
    /// Since some moment. It only moves forward, but may stop while the machine sleeps.
    pub(crate) mono: i64,
}

/// How far two readings of one machine's clock may differ before the clock counts as changed.
pub(crate) const TOLERANCE: i64 = 5_000;

/// What is left of `span` since `start`. 0 for a start in the future, which only a changed clock makes.
pub(crate) fn left(start: i64, span: i64, wall: i64) -> i64 {
    if wall < start - TOLERANCE {
        0
    } else {
        (start + span - wall).max(0)
    }
}

/// A number between 0 and 1, in parts of 2³².
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fraction(pub(crate) u32);

impl Fraction {
    /// This part of a duration of less than 24 days.
    pub(crate) fn of(self, duration: i64) -> i64 {
        (duration * i64::from(self.0)) >> 32
    }
}
