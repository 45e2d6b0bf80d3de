//! What is measured: one operation, in several ways.

use crate::rounds::Middle;

pub mod issue;
pub mod manager;
#[cfg(feature = "axum")]
pub mod request;
pub mod revocation;
pub mod verify;

/// What this library is called in tables.
pub const OURS: &str = "hallpass";
/// The primitive that nobody can be faster than.
pub const BARE: &str = "bare aws-lc";

/// One thing that can be done, and those who do it.
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
    /// Who does it.
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

/// A promise about ours.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[expect(clippy::exhaustive_enums, reason = "made here alone")]
pub enum Goal {
    /// At most so many allocations.
    Allocations(u32),
    /// At least so many times faster than somebody.
    Faster(&'static str, f64),
    /// At most so many nanoseconds. Depends on the machine.
    Nanoseconds(f64),
    /// At most so many times as long as somebody.
    Times(&'static str, f64),
}

impl Goal {
    /// Whom ours is compared with, and what our time may be at most, in theirs.
    pub const fn bound(self) -> Option<(&'static str, f64)> {
        match self {
            Self::Allocations(_) | Self::Nanoseconds(_) => None,
            Self::Faster(than, times) => Some((than, 1.0 / times)),
            Self::Times(of, times) => Some((of, times)),
        }
    }

    /// Whether so many allocations keep it; other promises they do not concern.
    pub fn allows(self, allocations: f64) -> bool {
        match self {
            Self::Allocations(most) => allocations <= f64::from(most),
            _ => true,
        }
    }

    /// The promise in words.
    pub fn words(self) -> String {
        match self {
            Self::Allocations(count) => format!("≤ {count} allocations"),
            Self::Faster(than, times) => format!("≥ {}× faster than {than}", short(times)),
            Self::Nanoseconds(limit) => format!("≤ {limit} ns"),
            Self::Times(of, times) => format!("≤ {}× {of}", short(times)),
        }
    }

    /// What it came to, in the words of the promise; `ratio` is ours through theirs.
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

/// At most two digits behind the point.
fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// How many different tokens and sessions an operation goes round, so that neither the branch
/// predictor nor the nearest cache knows the next one.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "one number with a name")]
pub struct Pool(pub u64);

/// Makes an operation ready.
pub type Make = fn(Pool) -> Operation;

/// Every operation, by its name.
pub const ALL: &[(&str, Make)] = &[
    ("verify-hs256", verify::hs256),
    ("verify-eddsa", verify::eddsa),
    ("verify-es256", verify::es256),
    ("verify-rs256", verify::rs256),
    ("seen-eddsa", verify::seen),
    ("revocation", revocation::check),
    ("issue-hs256", issue::hs256),
    ("issue-eddsa", issue::eddsa),
    ("issue-es256", issue::es256),
    ("authenticate", manager::authenticate),
    ("refresh", manager::refresh),
    #[cfg(feature = "axum")]
    ("request-axum", request::axum),
];

/// Goes round a pool for ever.
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
