//! What is measured: one operation, in several ways.

use figures::middle::Middle;

/// What this library is called in tables.
pub const OURS: &str = "hallpass";
/// The primitive alone, which no library can beat.
pub const BARE: &str = "bare aws-lc";

/// One thing that can be done, and the ways to do it.
#[expect(missing_debug_implementations, reason = "closures")]
#[expect(clippy::exhaustive_structs, reason = "made here alone")]
pub struct Operation {
    /// What is done.
    pub name: String,
    /// Each way to do it; ours comes first.
    pub ways: Vec<Way>,
    /// What is promised of ours.
    pub goals: Vec<Goal>,
}

/// One way to do it.
#[expect(missing_debug_implementations, reason = "closures")]
#[expect(clippy::exhaustive_structs, reason = "made here alone")]
pub struct Way {
    /// The library that does it.
    pub who: &'static str,
    /// Does it once.
    pub run: Box<dyn FnMut()>,
}

impl Way {
    /// Names a way.
    pub fn new(who: &'static str, run: impl FnMut() + 'static) -> Self {
        let run = Box::new(run);
        Self { who, run }
    }
}

/// A promise about our way.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[expect(clippy::exhaustive_enums, reason = "made here alone")]
pub enum Goal {
    /// At most this many allocations.
    Allocations(u32),
    /// At most this many allocations more than another way.
    AllocationsBeyond(&'static str, u32),
    /// At least this many times faster than another way.
    Faster(&'static str, f64),
    /// At most this many nanoseconds, which depends on the machine.
    Nanoseconds(f64),
    /// At most this many times as long as another way.
    Times(&'static str, f64),
}

impl Goal {
    /// The way that ours is compared with, and the highest ratio of our time to its.
    pub const fn bound(self) -> Option<(&'static str, f64)> {
        match self {
            Self::Allocations(_) | Self::AllocationsBeyond(..) | Self::Nanoseconds(_) => None,
            Self::Faster(than, times) => Some((than, 1.0 / times)),
            Self::Times(of, times) => Some((of, times)),
        }
    }

    /// The allocations that are promised, as they were counted, and whether there are few enough of them. `counted`
    /// gives those of a way. `None` if the promise is about something else, or if they were not counted.
    pub fn allocated(self, counted: impl Fn(&str) -> Option<f64>) -> Option<(f64, bool)> {
        let (count, most) = match self {
            Self::Allocations(most) => (counted(OURS)?, most),
            Self::AllocationsBeyond(than, most) => (counted(OURS)? - counted(than)?, most),
            Self::Faster(..) | Self::Nanoseconds(_) | Self::Times(..) => return None,
        };
        Some((count, count <= f64::from(most)))
    }

    /// The promise in words.
    pub fn words(self) -> String {
        match self {
            Self::Allocations(count) => format!("≤ {count} allocations"),
            Self::AllocationsBeyond(than, count) => {
                format!("≤ {count} allocations more than {than}")
            }
            Self::Faster(than, times) => format!("≥ {}× faster than {than}", short(times)),
            Self::Nanoseconds(limit) => format!("≤ {limit} ns"),
            Self::Times(of, times) => format!("≤ {}× {of}", short(times)),
        }
    }

    /// What was measured, in the words of the promise; `ratio` is our time divided by theirs.
    pub fn outcome(self, ratio: Middle) -> String {
        match self {
            Self::Faster(..) => {
                let (low, median, high) = (1.0 / ratio.high, 1.0 / ratio.median, 1.0 / ratio.low);
                format!("{median:.2}× faster ({low:.2} to {high:.2})")
            }
            _ => format!(
                "{:.2}× ({:.2} to {:.2})",
                ratio.median, ratio.low, ratio.high
            ),
        }
    }
}

/// A number with at most two digits after the point.
fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// How many different tokens and sessions an operation cycles through, so that neither the branch
/// predictor nor the first-level cache has seen the next one.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "one number with a name")]
pub struct Pool(pub u64);

/// Prepares an operation.
pub type Make = fn(Pool) -> Operation;

/// Cycles through a pool for ever.
pub fn cycle<T: 'static>(pool: Vec<T>, mut use_one: impl FnMut(&mut T) + 'static) -> impl FnMut() {
    let mut pool = pool;
    let mut next = 0;
    move || {
        if let Some(one) = pool.get_mut(next) {
            use_one(one);
        }
        next = (next + 1) % pool.len().max(1);
    }
}
