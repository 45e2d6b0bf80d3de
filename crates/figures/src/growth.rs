//! How the cost of an operation grows.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::middle::Middle;
use crate::number::number;

/// Nanoseconds of one operation, by the size of something.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "figures")]
pub struct Curve {
    /// What is done.
    pub name: String,
    /// What grows.
    pub by: String,
    /// What is expected.
    pub promise: String,
    /// Each size, and the time.
    pub points: Vec<(f64, Middle)>,
}

/// A table in Markdown.
pub fn table(all: &[Curve]) -> String {
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
