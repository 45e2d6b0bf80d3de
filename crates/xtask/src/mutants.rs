//! Changes the code in one small way at a time, and looks whether a test notices.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;

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
    /// The stores, with their own tests and those of `testbed`.
    Stores,
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
const STORES: &[&str] = &[
    "crates/store-redis/src/**/*.rs",
    "crates/store-sql/src/**/*.rs",
    "crates/token-session/src/memory.rs",
    "crates/token-session/src/memory/*.rs",
];
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
    const ALL: [Self; 3] = [Self::Session, Self::Stores, Self::Sample];

    const fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Stores => "stores",
            Self::Sample => "sample",
        }
    }

    /// The packages whose tests may notice. If there are none, those of the changed crate.
    const fn tests(self) -> Option<&'static str> {
        match self {
            Self::Session => Some("token-core,token-session"),
            Self::Stores => Some("store-redis,store-sql,token-session,testbed"),
            Self::Sample => None,
        }
    }
}

/// Tries the changes of some parts, or of all. A run that was interrupted goes on: what a test has noticed is
/// not tried again.
pub(crate) fn run(chosen: &[Part], seed: u64) -> Result<(), Error> {
    let workspace = Workspace::read()?;
    let program = tools::mutants(&workspace)?;
    let parts = if chosen.is_empty() {
        &Part::ALL
    } else {
        chosen
    };
    for &part in parts {
        let output = workspace.target.join("mutants").join(part.name());
        fs::create_dir_all(&output).doing(format!("create {}", output.display()))?;
        let services = match part {
            Part::Stores => services::start(&workspace)?,
            Part::Session | Part::Sample => Services::default(),
        };
        let mut mutants = of(part, &program, &workspace);
        mutants.args(["--output"]).arg(&output);
        mutants.args(["--iterate", "--test-tool", "nextest", "--all-features"]);
        mutants.args(["--jobs", "1", "--no-shuffle", "--colors", "never"]);
        mutants
            .envs(services.variables())
            .env("PATH", path(&workspace)?);
        if part == Part::Sample {
            for change in sample(&mut of(part, &program, &workspace), seed)? {
                mutants.arg("--re").arg(exactly(&change));
            }
        }
        if let Some(tests) = part.tests() {
            mutants.args(["--test-package", tests]);
        }
        match run::run(&mut mutants) {
            // Some changes were not noticed, or made a test hang.
            Err(Error::Failed { status, .. }) if matches!(status.code(), Some(2 | 3)) => {}
            done => done?,
        }
        tell(part, &output.join("mutants.out"));
    }
    Ok(())
}

/// A command that knows what may be changed.
fn of(part: Part, program: &Path, workspace: &Workspace) -> Command {
    let mut mutants = run::command(program);
    mutants.arg("mutants").current_dir(&workspace.root);
    match part {
        Part::Session => add(&mut mutants, "--file", SESSION),
        Part::Stores => add(&mut mutants, "--file", STORES),
        Part::Sample => {
            mutants.arg("--workspace");
            for others in [SESSION, STORES, TOOLS] {
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

fn sample(mutants: &mut Command, seed: u64) -> Result<Vec<String>, Error> {
    let all = run::output(mutants.args(["--list", "--colors", "never"]))?;
    let mut all: Vec<_> = all.lines().map(ToOwned::to_owned).collect();
    all.sort_by_key(|change| place(change, seed));
    all.truncate(SAMPLE);
    Ok(all)
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

/// A regular expression that matches this text alone.
fn exactly(text: &str) -> String {
    let mut pattern = String::from("^");
    for sign in text.chars() {
        if sign.is_ascii_punctuation() && !matches!(sign, '<' | '>') {
            pattern.push('\\');
        }
        pattern.push(sign);
    }
    pattern + "$"
}

/// Where cargo finds nextest.
fn path(workspace: &Workspace) -> Result<String, Error> {
    let folder = tools::nextest(workspace)?;
    let folder = folder.parent().map(PathBuf::from).unwrap_or_default();
    let path = std::env::var("PATH").unwrap_or_default();
    Ok(format!("{}:{path}", folder.display()))
}

/// Prints how many changes there were of each outcome, and names those that no test has noticed.
fn tell(part: Part, results: &Path) {
    let lines = |file: &str| {
        let text = fs::read_to_string(results.join(file)).unwrap_or_default();
        text.lines().map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let (missed, hung) = (lines("missed.txt"), lines("timeout.txt"));
    let before = lines("previously_caught.txt").len();
    eprintln!(
        "\n==> {}: {} noticed, {} noticed by an earlier run or not possible, {} hang, {} not possible, {} missed",
        part.name(),
        lines("caught.txt").len(),
        before,
        hung.len(),
        lines("unviable.txt").len(),
        missed.len(),
    );
    for change in missed {
        eprintln!("  {change}");
    }
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

    #[test]
    fn a_pattern_matches_its_text() {
        assert_eq!(exactly("a.rs:3: f -> X<u8>"), r"^a\.rs\:3\: f \-> X<u8>$");
    }
}
