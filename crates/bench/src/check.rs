//! Fails if something got worse. Absolute times are never compared, because they depend on the machine.
//!
//! Instead of time, callgrind counts instructions, which do not depend on load. Those of the cryptography
//! are subtracted first: they depend on the processor (valgrind has AVX2 if the machine has it, and never
//! AVX-512 or the SHA extension), and would dominate both sides of a ratio. What is left is base64, JSON,
//! copies and allocations. It is compared with what is left of `jsonwebtoken::decode` in the same run.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, ExitCode};

use bench::operation::{BARE, Goal, Make, OURS, Operation, Pool};
use bench::operations::ALL;
use bench::report;
use bench::rounds::Effort;
use figures::number::number;
use figures::operations::Measured;

/// By how much a promise on time may be missed: if the machine is busy, a median still moves that far.
const TIME_MARGIN: f64 = 1.3;

/// How often a time is measured again before it counts as missed. If the machine is busy, most attempts
/// may miss; if the code has become slower, all do.
const ATTEMPTS: usize = 12;

/// By how much a count of instructions may grow: another compiler or C library changes it by a few per
/// cent, another machine or its load does not.
const INSTRUCTION_MARGIN: f64 = 1.1;

/// Operations whose time is mostly the HMAC if the machine lacks the SHA extension, so that a ratio of
/// times says nothing about our code there; and those whose inputs are used once, so that a short slice measures
/// the memory that they come from. Their instructions are compared instead.
const NOT_TIMED: &[&str] = &[
    "verify-hs256",
    "issue-hs256",
    "request-dpop",
    "request-dpop-unseen",
];

/// The yardstick: what is left of `decode` without the HMAC.
const YARDSTICK: (&str, &str) = ("verify-hs256", "jsonwebtoken");

/// By how many instructions more, for operations that take very few.
const INSTRUCTION_SLACK: f64 = 50.0;

/// Operations, what is subtracted from ours, and how many yardsticks were left when this was written. The
/// yardstick is that of jsonwebtoken 12, which takes 0.79 of 11's: the instructions are the same as before it.
const INSTRUCTIONS: &[(&str, Option<&str>, f64)] = &[
    ("verify-hs256", Some(BARE), 0.2195),
    ("seen-eddsa", None, 0.0216),
    ("issue-hs256", Some(BARE), 0.150),
    ("authenticate", None, 0.0344),
    ("refresh", Some(BARE), 0.7095),
    ("revocation", None, 0.0016),
    ("request-axum", Some("no check"), 0.1056),
];

/// Operations of which one way takes at most so many times the instructions of another, each without
/// those of a third if there is one.
const RATIOS: &[(&str, &str, &str, Option<&str>, f64)] = &[
    (
        "request-nobody",
        OURS,
        "idle layer",
        Some("request alone"),
        1.1,
    ),
    (
        "request-nobody",
        "around the router",
        "no layer",
        Some("request alone"),
        1.1,
    ),
    // The whole request beside the signatures alone.
    ("request-dpop", OURS, BARE, None, 1.1),
    (
        "request-dpop-unseen",
        OURS,
        "bare aws-lc, twice",
        None,
        1.15,
    ),
];

/// How often a way is run under callgrind.
const TIMES: u32 = 200;

/// Checks everything, and prints the result.
pub(crate) fn run(valgrind: &Path) -> ExitCode {
    let mut counts = Counts::new(valgrind);
    let mut failed = false;
    match counts.beyond(YARDSTICK.0, YARDSTICK.1, Some(BARE)) {
        Ok(yardstick) => {
            let long = number(yardstick);
            println!("a yardstick, `jsonwebtoken::decode` without the HMAC: {long} instructions");
            for &(name, without, bound) in INSTRUCTIONS {
                let ours = counts.beyond(name, OURS, without);
                failed |= !few(name, without, ours, yardstick, bound);
            }
        }
        Err(error) => {
            println!("FAILED {}: {error}", YARDSTICK.0);
            failed = true;
        }
    }
    for &(name, way, than, without, most) in RATIOS {
        let ours = counts.beyond(name, way, without);
        let other = counts.beyond(name, than, without);
        failed |= !times(name, than, ours.and_then(|ours| Ok(ours / other?)), most);
    }
    match allocations() {
        Ok(counted) => {
            for (name, make) in ALL {
                failed |= !allocates(name, *make, counted.get(*name));
            }
        }
        Err(error) => {
            println!("FAILED allocations: {error}");
            failed = true;
        }
    }
    for (name, make) in ALL {
        failed |= !NOT_TIMED.contains(name) && !in_time(name, *make);
    }
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Whether an operation takes no more instructions than it did, `bound` yardsticks and the margin.
fn few(
    name: &str,
    without: Option<&str>,
    counted: Result<f64, String>,
    yardstick: f64,
    bound: f64,
) -> bool {
    let ours = match counted {
        Ok(ours) => ours,
        Err(error) => {
            println!("FAILED {name}: {error}");
            return false;
        }
    };
    let most = bound * yardstick * INSTRUCTION_MARGIN + INSTRUCTION_SLACK;
    let fine = ours <= most;
    let word = if fine { "fine" } else { "FAILED" };
    let beyond = without.map_or_else(String::new, |without| format!(" beyond {without}"));
    let ratio = ours / yardstick;
    let [ours, most] = [ours, most].map(number);
    println!(
        "{word} {name}: {ours} instructions{beyond}, at most {most}; {ratio:.4} yardsticks, {bound} before"
    );
    fine
}

/// Whether an operation takes at most so many times the instructions of another way.
fn times(name: &str, than: &str, ratio: Result<f64, String>, most: f64) -> bool {
    let fine = matches!(ratio, Ok(ratio) if ratio <= most);
    let word = if fine { "fine" } else { "FAILED" };
    match ratio {
        Ok(ratio) => println!("{word} {name}: {ratio:.3} × {than}, at most {most}"),
        Err(error) => println!("{word} {name}: {error}"),
    }
    fine
}

/// Instructions that were counted, each way once.
struct Counts<'a> {
    valgrind: &'a Path,
    known: HashMap<(String, usize), f64>,
}

impl<'a> Counts<'a> {
    fn new(valgrind: &'a Path) -> Self {
        let known = HashMap::new();
        Self { valgrind, known }
    }

    /// The instructions of one way of an operation, minus those of another.
    fn beyond(&mut self, name: &str, who: &str, without: Option<&str>) -> Result<f64, String> {
        let found = ALL.iter().find(|(own, _)| *own == name);
        let (_, make) = found.ok_or("there is no such operation")?;
        let ways = make(Pool(8)).ways;
        let ways: Vec<&str> = ways.iter().map(|way| way.who).collect();
        let mut of = |who: &str| {
            let way = ways.iter().position(|own| *own == who);
            self.of(name, way.ok_or(format!("there is no way `{who}`"))?)
        };
        Ok(of(who)? - without.map(of).transpose()?.unwrap_or_default())
    }

    fn of(&mut self, name: &str, way: usize) -> Result<f64, String> {
        let key = (name.to_owned(), way);
        if let Some(count) = self.known.get(&key) {
            return Ok(*count);
        }
        let count = count(self.valgrind, name, way)?;
        self.known.insert(key, count);
        Ok(count)
    }
}

/// Instructions of one run of one way.
fn count(valgrind: &Path, name: &str, way: usize) -> Result<f64, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(valgrind)
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(["--collect-atstart=no", "--toggle-collect=*counted_body*"])
        .arg(program)
        .args(["run", name, &way.to_string(), &TIMES.to_string()])
        .output()
        .map_err(|error| format!("valgrind does not start: {error}"))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let counted = text
        .lines()
        .find_map(|line| line.split_once("Collected :"))
        .and_then(|(_, count)| count.trim().parse::<f64>().ok());
    let counted = counted.ok_or_else(|| format!("valgrind says:\n{text}"))?;
    Ok(counted / f64::from(TIMES))
}

/// What the program beside this one counts: the allocations of each way of each operation.
fn allocations() -> Result<HashMap<String, Vec<f64>>, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(own.with_file_name("allocations")).output();
    let output = output.map_err(|error| error.to_string())?;
    serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
}

/// Whether ours allocates no more often than promised, if there is a promise.
fn allocates(name: &str, make: Make, counted: Option<&Vec<f64>>) -> bool {
    let mut fine = true;
    let operation = make(Pool(8));
    let ways: Vec<&str> = operation.ways.iter().map(|way| way.who).collect();
    for goal in operation.goals {
        if !matches!(goal, Goal::Allocations(_) | Goal::AllocationsBeyond(..)) {
            continue;
        }
        let of = |who: &str| {
            let index = ways.iter().position(|way| *way == who)?;
            counted?.get(index).copied()
        };
        let found = goal.allocated(of);
        let met = matches!(found, Some((_, true)));
        let word = if met { "fine" } else { "FAILED" };
        let count = found.map_or("none were counted".to_owned(), |(count, _)| {
            format!("{count:.2} counted")
        });
        println!("{word} {name}: {count}, promised {}", goal.words());
        fine &= met;
    }
    fine
}

/// Whether the promised ratios are kept, within the margin.
fn in_time(name: &str, make: fn(Pool) -> Operation) -> bool {
    let loosened = |goal: Goal| match goal {
        Goal::Faster(than, times) => Some(Goal::Faster(than, times / TIME_MARGIN)),
        Goal::Times(of, times) => Some(Goal::Times(of, times * TIME_MARGIN)),
        // The first depends on the machine; the others are counted.
        Goal::Nanoseconds(_) | Goal::Allocations(_) | Goal::AllocationsBeyond(..) => None,
    };
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let mut operation = make(Pool(64));
        operation.goals = operation.goals.into_iter().filter_map(loosened).collect();
        if operation.goals.is_empty() {
            return true;
        }
        let measured = report::run(operation, Effort::QUICK, None);
        let met = measured.goals.iter().all(|(_, _, met)| *met == Some(true));
        if met {
            tell("fine", name, &measured);
            return true;
        }
        last = Some(measured);
    }
    if let Some(measured) = last {
        tell("FAILED", name, &measured);
    }
    false
}

fn tell(word: &str, name: &str, measured: &Measured) {
    for (goal, outcome, _) in &measured.goals {
        println!("{word} {name}: {outcome}, with the margin {goal}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_more_instructions_is_the_margin_and_a_few_beside_it() {
        let few = |ours| few("x", None, Ok(ours), 1000.0, 0.5);
        assert!(few(400.0) && few(600.0));
        assert!(!few(601.0));
    }

    #[test]
    fn what_could_not_be_counted_fails() {
        assert!(!few("x", None, Err("no valgrind".to_owned()), 1000.0, 0.5));
    }
}
