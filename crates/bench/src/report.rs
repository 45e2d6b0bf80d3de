//! The figures, as tables and as JSON, from which charts are drawn.

mod servers;

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::counted::Footprint;
use crate::growth::Curve;
use crate::operation::{Goal, Operation};
use crate::rounds::{self, Effort, Middle};

pub use servers::requests;

/// Everything that was measured of one operation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "made here alone")]
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
#[expect(clippy::exhaustive_structs, reason = "made here alone")]
pub struct Line {
    /// The way, as it is called in tables.
    pub who: String,
    /// Nanoseconds for one.
    pub time: Middle,
    /// How many times as long as the limit, which is the second way.
    pub of_limit: Middle,
    /// Allocations for one, if they were counted.
    pub allocations: Option<f64>,
}

/// Times an operation. `allocations` has those of each way, in order.
pub fn run(operation: Operation, effort: Effort, allocations: Option<&[f64]>) -> Measured {
    let (names, mut ways): (Vec<_>, Vec<_>) = operation
        .ways
        .into_iter()
        .map(|way| (way.who, way.run))
        .unzip();
    let samples = rounds::measure(effort, &mut ways);
    let ours = samples.first().cloned().unwrap_or_default();
    let limit = samples.get(1).cloned().unwrap_or_default();
    let counted = |index: usize| allocations.and_then(|all| all.get(index)).copied();
    let lines = names.iter().zip(&samples).enumerate();
    let lines = lines.map(|(index, (who, samples))| Line {
        who: (*who).to_owned(),
        time: samples.time(),
        of_limit: samples.ratio(&limit),
        allocations: counted(index),
    });
    let judge = |goal: Goal| match goal {
        Goal::Allocations(_) => match counted(0) {
            Some(count) => (
                goal.words(),
                format!("{count:.2}"),
                Some(goal.allows(count)),
            ),
            None => (goal.words(), "not counted".to_owned(), None),
        },
        Goal::Nanoseconds(most) => {
            let time = ours.time();
            let met = time.median <= most;
            (
                goal.words(),
                format!("{} ns", number(time.median)),
                Some(met),
            )
        }
        Goal::Faster(who, _) | Goal::Times(who, _) => {
            let other = names.iter().position(|name| *name == who);
            let other = other.and_then(|index| samples.get(index));
            let ratio = ours.ratio(other.unwrap_or(&ours));
            let met = goal.bound().map(|(_, bound)| ratio.median <= bound);
            (goal.words(), goal.outcome(ratio), met)
        }
    };
    Measured {
        name: operation.name,
        ways: lines.collect(),
        goals: operation.goals.into_iter().map(judge).collect(),
    }
}

/// Two tables in Markdown: the figures, and the promises.
pub fn markdown(all: &[Measured]) -> String {
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
        for (goal, outcome, met) in &measured.goals {
            let met = match met {
                Some(true) => "met",
                Some(false) => "**missed**",
                None => "",
            };
            let _ = writeln!(text, "| {} | {goal} | {outcome} | {met} |", measured.name);
        }
    }
    text
}

/// A table in Markdown of the memory that a session takes.
pub fn memory(all: &[Footprint]) -> String {
    let mut text = String::from(
        "| a session of | sessions | bytes that were asked for | bytes by which the process grew |\n\
         |---|--:|--:|--:|\n",
    );
    for Footprint {
        who,
        sessions,
        asked,
        resident,
    } in all
    {
        let [sessions, asked, resident] = [*sessions, *asked, *resident].map(whole);
        let _ = writeln!(text, "| {who} | {sessions} | {asked} | {resident} |");
    }
    text
}

/// A table in Markdown of how cost grows.
pub fn growth(all: &[Curve]) -> String {
    let mut text =
        String::from("| operation | by | ns (middle half) | expected |\n|---|---|---|---|\n");
    for curve in all {
        let points = curve.points.iter().map(|(n, time)| {
            let Middle { low, median, high } = *time;
            let n = number(*n);
            let n = n.trim_end_matches(".0");
            let [low, median, high] = [low, median, high].map(number);
            format!("{n}: {median} ({low} to {high})")
        });
        let points = points.collect::<Vec<_>>().join("<br>");
        let Curve {
            name, by, promise, ..
        } = curve;
        let _ = writeln!(text, "| {name} | {by} | {points} | {promise} |");
    }
    text
}

/// A number with three digits that matter.
pub fn number(value: f64) -> String {
    let digits = usize::from(value < 100.0);
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    grouped(whole) + rest
}

/// A count.
pub fn whole(value: u64) -> String {
    grouped(&value.to_string())
}

fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(number(12.345), "12.3");
        assert_eq!(number(1_234_567.8), "1,234,568");
        assert_eq!(number(123.4), "123");
    }
}
