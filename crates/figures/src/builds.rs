//! Builds: crates, sizes and seconds.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::number::met;

/// The seconds that `token-core` may take to build from nothing, without aws-lc-sys.
const CORE_SECONDS: f64 = 25.0;
/// How many crates [`GAINING`] may add to its bare program.
const GAINED_CRATES: usize = 60;
const GAINING: &str = "axum-hallpass";

/// One program or crate that was built.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "figures")]
pub struct Built {
    /// Its name.
    pub name: String,
    /// How many crates it depends on, with itself.
    pub crates: Crates,
    /// How many more these are than those of the program without the check.
    pub gained: Option<Crates>,
    /// The size of the program without symbols, in KiB.
    pub kib: Option<i64>,
    /// How much more that is than the size of the program without the check.
    pub gained_kib: Option<i64>,
    /// The seconds of each build from nothing.
    pub seconds: Vec<f64>,
    /// The same without aws-lc-sys and what it needs, if it is among its crates.
    pub rest: Vec<f64>,
}

/// A number of crates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "figures")]
pub struct Crates {
    /// All of them.
    pub all: usize,
    /// Those that are linked or are macros, without those that only build others.
    pub linked: usize,
}

/// Two tables in Markdown: the figures, and the promises.
pub fn table(all: &[Built]) -> String {
    let mut text = String::from(
        "| program | crates (without those that only build others) | more than bare | program without symbols, KiB | more than bare | build from clean, s | the same, aws-lc-sys apart, s |\n\
         |---|--:|--:|--:|--:|--:|--:|\n",
    );
    let count = |Crates { all, linked }: Crates| format!("{all} ({linked})");
    let optional = |number: Option<i64>| number.map_or_else(String::new, |n| n.to_string());
    for built in all {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} |",
            built.name,
            count(built.crates),
            built.gained.map_or_else(String::new, count),
            optional(built.kib),
            optional(built.gained_kib),
            spread(&built.seconds),
            spread(&built.rest),
        );
    }
    text += "\n| promised | of | measured | |\n|---|---|--:|---|\n";
    let of = |name: &str| all.iter().find(|built| built.name == name);
    if let Some(time) = of("token-core").and_then(|core| median(&core.rest)) {
        let met = met(time < CORE_SECONDS);
        let _ = writeln!(
            text,
            "| token-core | builds in under {CORE_SECONDS} s, aws-lc-sys apart | {time:.1} s | {met} |"
        );
    }
    if let Some(gained) = of(GAINING).and_then(|built| built.gained) {
        let _ = writeln!(
            text,
            "| adapter-axum | ≤ {GAINED_CRATES} crates over bare axum | {} | {} |",
            count(gained),
            met(gained.all <= GAINED_CRATES)
        );
    }
    text
}

fn sorted(times: &[f64]) -> Vec<f64> {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times
}

fn median(times: &[f64]) -> Option<f64> {
    let times = sorted(times);
    times.get(times.len().saturating_sub(1) / 2).copied()
}

/// The median, and the range if there are several.
fn spread(times: &[f64]) -> String {
    let sorted = sorted(times);
    match (median(times), sorted.as_slice()) {
        (Some(median), [low, .., high]) => format!("{median:.1} ({low:.1} to {high:.1})"),
        (Some(median), _) => format!("{median:.1}"),
        (None, _) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_shown_beside_the_bare_one() {
        let own = Built {
            name: "axum-hallpass".to_owned(),
            crates: Crates { all: 4, linked: 3 },
            gained: Some(Crates { all: 2, linked: 1 }),
            kib: Some(5),
            gained_kib: Some(3),
            seconds: vec![9.0, 8.0, 10.0],
            rest: vec![4.0],
        };
        let table = table(&[own]);
        let line = "| axum-hallpass | 4 (3) | 2 (1) | 5 | 3 | 9.0 (8.0 to 10.0) | 4.0 |\n";
        assert!(table.contains(line), "{table}");
        let promise = "| ≤ 60 crates over bare axum | 2 (1) | met |";
        assert!(table.contains(promise), "{table}");
    }
}
