//! Refreshes on the stores' real servers.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::middle::Middle;
use crate::number::{met, number};

/// What was measured of one store.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "figures")]
pub struct Measured {
    /// The store, and its settings.
    pub name: String,
    /// Each way, at each size.
    pub lines: Vec<Line>,
    /// What was promised.
    pub promises: Vec<Promise>,
    /// Further lines for the report.
    pub notes: Vec<String>,
    /// What sharing transactions does to latency, if this store shares them.
    pub sharing: Option<Sharing>,
}

/// The 99th percentile of a refresh at a quarter of what many callers do at most, with refreshes that share
/// transactions and with every refresh sent alone.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "figures")]
pub struct Sharing {
    /// How many sessions are stored.
    pub sessions: u32,
    /// Refreshes a second.
    pub per_second: f64,
    /// Milliseconds with shared transactions.
    pub shared: Middle,
    /// Milliseconds if every refresh is sent alone.
    pub alone: Middle,
    /// The first as a part of the second, round by round.
    pub ratio: Middle,
}

/// One way at one size.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "figures")]
pub struct Line {
    /// The way, as it is called in tables.
    pub who: String,
    /// How many sessions are stored.
    pub sessions: u32,
    /// Refreshes a second.
    pub per_second: Middle,
    /// The fraction of the limit's at the same size, round by round.
    pub of_limit: Middle,
}

/// A promise, and what was measured of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "figures")]
pub struct Promise {
    /// The promise in words.
    pub words: String,
    /// What was measured.
    pub outcome: String,
    /// Whether the promise is kept.
    pub met: bool,
}

/// The figures of all stores, and the promises.
pub fn table(all: &[Measured]) -> String {
    let mut text = String::from(
        "| store | sessions | by | refreshes a second | middle half of the rounds | of the limit |\n\
         |---|--:|---|--:|--:|--:|\n",
    );
    for measured in all {
        for line in &measured.lines {
            let Middle { low, median, high } = line.per_second;
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} to {} | {:.0} % |",
                measured.name,
                number(f64::from(line.sessions)),
                line.who,
                number(median),
                number(low),
                number(high),
                line.of_limit.median * 100.0,
            );
        }
    }
    text.push_str("\n| store | promised | measured | |\n|---|---|---|---|\n");
    for measured in all {
        for promise in &measured.promises {
            let met = met(promise.met);
            let _ = writeln!(
                text,
                "| {} | {} | {} | {met} |",
                measured.name, promise.words, promise.outcome
            );
        }
    }
    text.push('\n');
    for measured in all {
        if let Some(sharing) = measured.sharing {
            let _ = writeln!(
                text,
                "- {}: at {} refreshes a second of {} sessions, 99 % take at most {} ms, and {} ms if every \
                 refresh is sent alone: {} ×",
                measured.name,
                number(sharing.per_second.round()),
                number(f64::from(sharing.sessions)),
                sharing.shared.spread(2, 1.0),
                sharing.alone.spread(2, 1.0),
                sharing.ratio.spread(2, 1.0),
            );
        }
        for note in &measured.notes {
            let _ = writeln!(text, "- {}: {note}", measured.name);
        }
    }
    text
}
