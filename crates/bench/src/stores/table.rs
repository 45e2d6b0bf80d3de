//! The figures, as tables in Markdown.

use std::fmt::Write as _;

use super::Measured;
use crate::report::number;
use crate::rounds::Middle;

/// The figures of all stores, and the promises.
pub fn markdown(all: &[Measured]) -> String {
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
            let met = if promise.met { "met" } else { "**missed**" };
            let _ = writeln!(
                text,
                "| {} | {} | {} | {met} |",
                measured.name, promise.words, promise.outcome
            );
        }
    }
    text.push('\n');
    for measured in all {
        for note in &measured.notes {
            let _ = writeln!(text, "- {}: {note}", measured.name);
        }
    }
    text
}
