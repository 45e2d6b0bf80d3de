//! The project's own commands. `cargo xtask test` runs every test there is, and gets what it
//! needs for that: see `cargo xtask test --help`. `cargo xtask bench` measures.
//!
//! `tests` has the parts of the tests, `services` the servers that they need, and `rules` what is checked
//! without building anything.

#![expect(
    clippy::print_stderr,
    reason = "a command-line tool tells what it does"
)]

mod bench;
mod browser;
mod circles;
mod error;
mod examples;
mod guide;
mod install;
mod interop;
mod lines;
mod links;
mod load;
mod locks;
mod long;
mod manifests;
mod measure;
mod mutants;
mod npm;
mod pattern;
mod program;
mod proofs;
mod prose;
mod purity;
mod python;
mod rules;
mod run;
mod rust;
mod services;
mod source;
mod tests;
mod times;
mod tools;
mod verifiers;
mod web;
mod words;
mod workspace;
mod world;
mod wycheproof;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::Error;
use crate::tests::Part;
use crate::workspace::Workspace;

/// The project's own commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Measures and prints tables: our operations, their limits and other libraries; how cost grows;
    /// Measures and prints tables: our operations, their limits and other libraries; how cost grows; whole
    /// servers under load; the stores on real servers. Takes half an hour if the machine is idle and has two
    /// processors, and as long to build everything.
    Bench(bench::Arguments),
    /// Looks for files that need each other, in every crate, example and the web client, and for
    /// files of `token-core` that need a folder above their own.
    Circles,
    /// Checks licences, sources and duplicates of all dependencies.
    Deny,
    /// Checks the demo's Dockerfile.
    Dockerfile,
    /// Measures a table of `docs/interop.md` again, and fails if something else is seen than it says. Takes two minutes, and ten
    /// more to install and build what it is about. Needs root on Debian 12, for its packages.
    Interop {
        /// Which table.
        table: interop::Table,
    },
    /// A load test as an operator would do it, on PostgreSQL and then on Redis: a million live sessions, 200 logins
    /// and 2,000 refreshes a second, and as many requests as the machine gives, for ten minutes each, while a node is
    /// killed, the store is killed and started again, and expired sessions are deleted. Fails if a session is lost
    /// or an honest client is refused. Draws the latencies into `target/bench`.
    Load(load::Arguments),
    /// Prints lines of code and public items of each crate and folder, and fails if `token-core` has
    /// more than was promised.
    Lines,
    /// Prints figures of two example servers on each store: how soon a logout on one is known on the
    /// other, and how many refreshes they take. Takes some minutes. The figures mean nothing if the
    /// machine is busy.
    Measure,
    /// Changes the code in one small way at a time and looks whether a test notices: all of `token-core`'s
    /// `session/`, the stores, and a sample of the rest. Takes hours, and goes on after an interruption.
    /// `docs/mutants.md` says what no test has noticed, and why.
    Mutants(mutants::Arguments),
    /// Installs the libraries of others that tests compare `token-core` with, at the versions
    /// that are pinned. `test` does it too.
    Peers,
    /// Runs every test, or some parts.
    ///
    /// Servers that tests need are named by environment variables (HALLPASS_TEST_POSTGRES_URL,
    /// HALLPASS_TEST_REDIS_URL). If there is none, private ones are started on free ports, with their
    /// data in a temporary folder, and stopped at the end. If a program is missing, it is installed
    /// with apt-get if this is root on Debian. Elsewhere the run fails and names the package. No test
    /// is skipped.
    Test {
        /// Only these parts, in this order; if none is named, all but `long`.
        parts: Vec<Part>,
    },
    /// Looks for words that this project does not use, and says what to write instead.
    Words,
}

fn main() -> ExitCode {
    let done = perform(Arguments::parse().task);
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn perform(task: Task) -> Result<(), Error> {
    match task {
        Task::Bench(arguments) => return bench::run(&arguments),
        Task::Load(arguments) => return load::test(&arguments),
        Task::Measure => return measure::run(),
        Task::Mutants(arguments) => return mutants::run(&arguments),
        Task::Test { parts } => return tests::run(&parts),
        _ => {}
    }
    let workspace = Workspace::read()?;
    match task {
        Task::Circles => rules::one(&workspace, "circles of files", circles::faults),
        Task::Deny => tools::deny(&workspace),
        Task::Interop { table } => interop::measure(&workspace, table),
        Task::Dockerfile => tools::dockerfile(&workspace),
        Task::Lines => {
            print(&lines::table(&workspace)?);
            rules::one(&workspace, "how much there is to read", lines::line_faults)?;
            rules::one(&workspace, "how much there is to learn", lines::item_faults)
        }
        Task::Peers => verifiers::install(&workspace),
        Task::Words => rules::one(&workspace, "words", words::faults),
        Task::Bench(_) | Task::Load(_) | Task::Measure | Task::Mutants(_) | Task::Test { .. } => {
            Ok(())
        }
    }
}

#[expect(clippy::print_stdout, reason = "the table is what this is for")]
fn print(table: &str) {
    println!("{table}");
}
