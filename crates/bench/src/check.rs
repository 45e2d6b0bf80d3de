//! Fails where a ratio got much worse: never on an absolute time, which says more of the machine.

use std::path::Path;
use std::process::{Command, ExitCode};

use bench::operation::{ALL, BARE, Goal, Operation, Pool};
use bench::report::{self, Measured};
use bench::rounds::Effort;

/// By how much a promise on time may be missed: a busy machine's median still moves that far.
const TIME_MARGIN: f64 = 1.3;

/// A time is measured again so often before it counts as missed.
const ATTEMPTS: usize = 3;

/// By how much a count of instructions may grow. It hardly depends on the machine at all.
const INSTRUCTION_MARGIN: f64 = 1.1;

/// Instructions of ours through those of another way, as they were when this was written. Valgrind
/// has no SHA extension, so its HMAC takes longer than the machine's: these are not the ratios of
/// the promises.
const INSTRUCTIONS: &[(&str, &str, f64)] = &[
    ("verify-hs256", BARE, 1.6),
    ("verify-hs256", "jsonwebtoken", 0.62),
    ("issue-hs256", BARE, 1.4),
    ("issue-hs256", "jsonwebtoken", 0.85),
    ("authenticate", BARE, 1.8),
    ("refresh", BARE, 1.9),
    ("revocation", "std HashSet", 0.9),
];

/// How often a way is run under callgrind.
const TIMES: u32 = 200;

/// Checks everything, and says what it found.
pub(crate) fn run(valgrind: &Path) -> ExitCode {
    let mut failed = false;
    for &(name, other, bound) in INSTRUCTIONS {
        let ways = make(name)
            .map(|operation| operation.ways)
            .unwrap_or_default();
        let Some(index) = ways.iter().position(|way| way.who == other) else {
            println!("FAILED {name}: there is no way `{other}`");
            failed = true;
            continue;
        };
        drop(ways);
        match (count(valgrind, name, 0), count(valgrind, name, index)) {
            (Ok(ours), Ok(theirs)) => {
                let ratio = ours / theirs;
                let fine = ratio <= bound * INSTRUCTION_MARGIN;
                failed |= !fine;
                let word = if fine { "fine" } else { "FAILED" };
                println!(
                    "{word} {name}: {} instructions, {ratio:.3}× {other} (at most {bound} + 10 %)",
                    report::number(ours)
                );
            }
            (Err(error), _) | (_, Err(error)) => {
                println!("FAILED {name}: {error}");
                failed = true;
            }
        }
    }
    for (name, make) in ALL {
        failed |= !in_time(name, *make);
    }
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn make(name: &str) -> Option<Operation> {
    let found = ALL.iter().find(|(own, _)| *own == name);
    found.map(|(_, make)| make(Pool(8)))
}

/// Whether the promised ratios are kept, within the margin.
fn in_time(name: &str, make: fn(Pool) -> Operation) -> bool {
    let loosened = |goal: Goal| match goal {
        Goal::Faster(than, times) => Some(Goal::Faster(than, times / TIME_MARGIN)),
        Goal::Times(of, times) => Some(Goal::Times(of, times * TIME_MARGIN)),
        // The one depends on the machine; the other has a counter of its own.
        Goal::Nanoseconds(_) | Goal::Allocations(_) => None,
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
