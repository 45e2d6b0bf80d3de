//! Single operations: what each way took, and what was promised of ours.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::middle::Middle;
use crate::number::{met, number};

/// Everything that was measured of one operation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "figures")]
pub struct Measured {
    /// What was done.
    pub name: String,
    /// Each way to do it; ours first, then the limit.
    pub ways: Vec<Line>,
    /// What was promised, what was measured, and whether the promise is kept; `None` if it was not checked.
    pub goals: Vec<(String, String, Option<bool>)>,
}

/// One way.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "figures")]
pub struct Line {
    /// The way, as it is called in tables.
    pub who: String,
    /// Nanoseconds for one.
    pub time: Middle,
    /// How many times as long as the limit, which is the second way.
    pub of_limit: Middle,
    /// How many times as long as ours.
    pub of_ours: Middle,
    /// Allocations for one, if they were counted.
    pub allocations: Option<f64>,
}

/// Two tables in Markdown: the figures, and the promises.
pub fn table(all: &[Measured]) -> String {
    let mut text = String::from(
        "| operation | by | ns | middle half of the rounds | × limit | allocations |\n\
         |---|---|--:|--:|--:|--:|\n",
    );
    for measured in all {
        for (index, line) in measured.ways.iter().enumerate() {
            let name = if index == 0 {
                measured.name.as_str()
            } else {
                ""
            };
            let allocations = line
                .allocations
                .map_or_else(String::new, |n| format!("{n:.1}"));
            let Middle { low, median, high } = line.time;
            let _ = writeln!(
                text,
                "| {name} | {} | {} | {} to {} | {:.2} | {} |",
                line.who,
                number(median),
                number(low),
                number(high),
                line.of_limit.median,
                allocations.trim_end_matches(".0"),
            );
        }
    }
    text.push_str("\n| promised | of | measured | |\n|---|---|--:|---|\n");
    for measured in all {
        for (goal, outcome, kept) in &measured.goals {
            let kept = kept.map_or("", met);
            let _ = writeln!(text, "| {} | {goal} | {outcome} | {kept} |", measured.name);
        }
    }
    text
}
