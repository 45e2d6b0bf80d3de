//! The project's own commands. `cargo xtask test` runs every test there is, and gets what it
//! needs for that: see `cargo xtask test --help`. `cargo xtask bench` measures.
//!
//! Where to read on: `tests` has the order of things, `services` the servers that tests need,
//! `purity` the rules between the crates.

#![expect(
    clippy::print_stderr,
    reason = "a command-line tool tells what it does"
)]

mod bench;
mod circles;
mod error;
mod install;
mod lines;
mod links;
mod locks;
mod purity;
mod python;
mod run;
mod rust;
mod services;
mod source;
mod tests;
mod web;
mod workspace;
mod world;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::tests::Part;

/// The project's own commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Measures, and prints tables: ours, the limit, and what people use today; how cost
    /// grows; whole servers under load; the stores on real servers. Takes some twenty minutes on an
    /// idle machine with two processors, and ten to build what people use today.
    Bench(bench::Arguments),
    /// Looks for files that need each other, in every crate, example and the web client, and for
    /// folders of `token-core` that need one above them. `test` does it too.
    Circles,
    /// Prints lines of code and public items of each crate and folder, and fails if `token-core` has
    /// more than was promised.
    Lines,
    /// Prints figures of two example servers on each store: how soon a logout on one is heeded
    /// on the other, and how many refreshes they take. Some minutes, on a machine with nothing
    /// else to do.
    Measure,
    /// Installs the libraries of others that tests compare `token-core` with, at the versions
    /// that are pinned. `test` does it too.
    Peers,
    /// Runs every test, or one part of them.
    ///
    /// Servers that tests need are taken from environment variables where they are set
    /// (HALLPASS_TEST_POSTGRES_URL, HALLPASS_TEST_REDIS_URL). Otherwise private ones are started
    /// on free ports, with their data in a temporary folder, and stopped at the end. A program
    /// that is missing is installed with apt-get where this runs as root on Debian; elsewhere
    /// its package is named and the run fails. Nothing is skipped.
    Test {
        /// Only this part; without it, all.
        part: Option<Part>,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Circles => {
            workspace::Workspace::read().and_then(|workspace| circles::check(&workspace))
        }
        Task::Lines => lines::run(),
        Task::Measure => rust::measure(),
        Task::Peers => peers(),
        Task::Test { part } => tests::run(part),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn peers() -> Result<(), error::Error> {
    world::install_peers(&workspace::Workspace::read()?)
}
