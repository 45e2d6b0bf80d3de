//! Changes the code in one small way at a time, and looks whether a test notices.

mod binary;
mod change;
mod mixed;
mod results;
mod tree;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use clap::ValueEnum;

use self::binary::{Binary, Said};
use self::change::Change;
use self::results::{Outcome, Results};
use self::tree::{Built, Tree};
use crate::error::{Doing as _, Error};
use crate::run;
use crate::services::{self, Services};
use crate::tools;
use crate::workspace::Workspace;

/// What is changed. Each part has a folder of results in `target/mutants`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// All of `token-core`'s `session/`, with the tests of `token-core` and `token-session`.
    Session,
    /// The store in memory, with the tests of `token-session`.
    Memory,
    /// The stores in SQLite and PostgreSQL, with their own tests.
    Sql,
    /// The store in Redis, with its own tests.
    Redis,
    /// 300 changes anywhere else, each with the tests of its own crate.
    Sample,
}

/// The changes of the part `sample`. Each has a place in an order that follows from the seed and its own
/// name, so that a sample stays nearly the same when other code changes.
const SAMPLE: usize = 300;

const SESSION: &[&str] = &[
    "crates/token-core/src/session/*.rs",
    "crates/token-core/src/session/rule/*.rs",
];
const MEMORY: &[&str] = &[
    "crates/token-session/src/memory.rs",
    "crates/token-session/src/memory/*.rs",
];
const SQL: &[&str] = &["crates/store-sql/src/**/*.rs"];
const REDIS: &[&str] = &["crates/store-redis/src/**/*.rs"];
/// Code that no release has.
const TOOLS: &[&str] = &[
    "crates/bench/**",
    "crates/e2e/**",
    "crates/fuzz/**",
    "crates/testbed/**",
    "crates/xtask/**",
    "examples/**",
];

impl Part {
    const ALL: [Self; 5] = [
        Self::Session,
        Self::Memory,
        Self::Sql,
        Self::Redis,
        Self::Sample,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Memory => "memory",
            Self::Sql => "sql",
            Self::Redis => "redis",
            Self::Sample => "sample",
        }
    }

    /// The packages whose tests may notice. If there are none, those of the changed crate.
    const fn tests(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Session => Some(&["token-core", "token-session"]),
            Self::Memory => Some(&["token-session"]),
            Self::Sql => Some(&["store-sql"]),
            Self::Redis => Some(&["store-redis"]),
            Self::Sample => None,
        }
    }
}

/// Which changes are tried.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only these parts; if none is named, all.
    parts: Vec<Part>,
    /// The seed of the sample.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only changes with such a text in their name, which has the file and the function.
    #[arg(long)]
    only: Vec<String>,
    /// Ends after so many minutes. The next run goes on.
    #[arg(long)]
    minutes: Option<u64>,
    /// Asks only the files of tests that take at most so many seconds. What they miss is for the next run.
    #[arg(long)]
    within: Option<u64>,
}

/// Tries the changes of some parts, or of all. A run that was interrupted goes on: what a test has noticed is
/// not tried again.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    let workspace = Workspace::read()?;
    let parts = if arguments.parts.is_empty() {
        &Part::ALL
    } else {
        &arguments.parts[..]
    };
    let end = arguments.minutes;
    let end = end.map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    for &part in parts {
        one(part, &workspace, arguments, end)?;
    }
    Ok(())
}

fn one(
    part: Part,
    workspace: &Workspace,
    arguments: &Arguments,
    end: Option<Instant>,
) -> Result<(), Error> {
    let folder = workspace.target.join("mutants").join(part.name());
    fs::create_dir_all(&folder).doing(format!("create {}", folder.display()))?;
    let mut results = Results::read(&folder.join("results.tsv"));
    let mut changes = list(part, workspace)?;
    if part == Part::Sample {
        changes.sort_by_key(|change| place(&change.name, arguments.seed));
        changes.truncate(SAMPLE);
    }
    let tested = match part.tests() {
        Some(tests) => tests.iter().map(|name| (*name).to_owned()).collect(),
        None => changes
            .iter()
            .map(|change| change.package.clone())
            .collect(),
    };
    let mut tree = Tree::new(workspace, folder.join("tree"), tested);
    let mut tests = build(&mut tree, &changes, &mut results)?;

    let services = match part {
        Part::Sql | Part::Redis => services::start(workspace)?,
        Part::Session | Part::Memory | Part::Sample => Services::default(),
    };
    let variables: Vec<_> = services.variables().collect();
    let mut asked = Vec::new();
    for mut binary in tests.drain(..) {
        let can = binary.baseline(&variables)?;
        let (name, time) = (&binary.name, binary.time.as_secs_f64());
        eprintln!(
            "    {time:6.2} s {name}{}",
            if can { "" } else { ": fails, not asked" }
        );
        for test in &binary.skipped {
            eprintln!("             fails without a change, not asked: {test}");
        }
        if can {
            asked.push(binary);
        }
    }
    let within = arguments.within.map_or(Duration::MAX, Duration::from_secs);
    asked.retain(|binary| binary.time <= within);
    asked.sort_by_key(|binary| binary.time);
    let of = changes.len();
    let only = &arguments.only;
    let mut chosen: Vec<_> = (1..).zip(&changes).collect();
    chosen.retain(|(_, change)| {
        only.is_empty() || only.iter().any(|text| change.name.contains(text))
    });
    try_all(part, &chosen, &mut asked, &tree, &mut results, end)?;
    results.tell(part.name(), of);
    Ok(())
}

/// Compiles all changes that are possible.
fn build(
    tree: &mut Tree<'_>,
    changes: &[Change],
    results: &mut Results,
) -> Result<Vec<Binary>, Error> {
    loop {
        let possible: Vec<_> = (1..)
            .zip(changes)
            .filter(|(_, change)| {
                let known = results.known.get(&change.name);
                known.is_none_or(|(outcome, _)| *outcome != Outcome::Impossible) && tree.has(change)
            })
            .collect();
        eprintln!("==> compile {} changes at once", possible.len());
        match tree.build(&possible)? {
            Built::Tests(tests) => return Ok(tests),
            Built::Impossible(numbers) => {
                for (number, change) in possible {
                    if numbers.contains(&number) {
                        results.put(&change.name, Outcome::Impossible, "")?;
                    }
                }
            }
            Built::Constant => {}
        }
    }
}

/// Asks the tests about each change, those first that are fast or noticed the one before.
fn try_all(
    part: Part,
    changes: &[(usize, &Change)],
    tests: &mut Vec<Binary>,
    tree: &Tree<'_>,
    results: &mut Results,
    end: Option<Instant>,
) -> Result<(), Error> {
    for &(number, change) in changes {
        if results.settles(&change.name) {
            continue;
        }
        if end.is_some_and(|end| Instant::now() > end) {
            break;
        }
        if !tree.has(change) {
            results.put(&change.name, Outcome::Apart, "")?;
            continue;
        }
        let start = Instant::now();
        let mut found = None;
        for (at, binary) in tests.iter().enumerate() {
            if part.tests().is_none() && binary.package != change.package {
                continue;
            }
            found = match binary.ask(number)? {
                Said::Passed => continue,
                Said::Failed => Some((Outcome::Noticed, at)),
                Said::Hangs => Some((Outcome::Hangs, at)),
            };
            break;
        }
        let (outcome, by) = match found {
            Some((outcome, at)) => {
                let first = tests.remove(at);
                let by = first.name.clone();
                tests.insert(0, first);
                (outcome, by)
            }
            None => (Outcome::Missed, String::new()),
        };
        let time = start.elapsed().as_secs_f64();
        eprintln!("{:>8} {time:6.2} s {} {by}", outcome.name(), change.name);
        results.put(&change.name, outcome, &by)?;
    }
    Ok(())
}

/// What cargo-mutants would change.
fn list(part: Part, workspace: &Workspace) -> Result<Vec<Change>, Error> {
    let program = tools::mutants(workspace)?;
    let json = run::output(of(part, &program, workspace).args(["--list", "--json"]))?;
    serde_json::from_str(&json).map_err(|_| Error::Metadata("list of changes"))
}

/// A command that knows what may be changed.
fn of(part: Part, program: &Path, workspace: &Workspace) -> Command {
    let mut mutants = run::command(program);
    mutants.arg("mutants").current_dir(&workspace.root);
    match part {
        Part::Session => add(&mut mutants, "--file", SESSION),
        Part::Memory => add(&mut mutants, "--file", MEMORY),
        Part::Sql => add(&mut mutants, "--file", SQL),
        Part::Redis => add(&mut mutants, "--file", REDIS),
        Part::Sample => {
            mutants.arg("--workspace");
            for others in [SESSION, MEMORY, SQL, REDIS, TOOLS] {
                add(&mut mutants, "--exclude", others);
            }
        }
    }
    mutants
}

fn add(command: &mut Command, option: &str, globs: &[&str]) {
    for glob in globs {
        command.args([option, glob]);
    }
}

/// The place of a change in the order of a seed: FNV-1a of its name without the line, which moves.
fn place(change: &str, seed: u64) -> u64 {
    let mut parts = change.splitn(4, ':');
    let (file, what) = (parts.next(), parts.nth(2));
    let text = [file, what].map(Option::unwrap_or_default).concat();
    text.bytes()
        .fold(0xCBF2_9CE4_8422_2325 ^ seed, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_keeps_its_place_when_its_line_moves() {
        let change = |line: u32| format!("crates/a/src/b.rs:{line}:5: replace == with != in c");
        assert_eq!(place(&change(3), 1), place(&change(40), 1));
        assert_ne!(place(&change(3), 1), place(&change(3), 2));
        assert_ne!(place(&change(3), 1), place("crates/a/src/b.rs:3:5: x", 1));
    }
}
