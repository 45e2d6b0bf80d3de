//! The load test: `cargo xtask load` runs this.

#![expect(clippy::print_stdout, reason = "the table is what this is for")]

use std::path::PathBuf;
use std::process::ExitCode;

use bench::load::place::{self, Kind};
use bench::load::plan::Plan;
use bench::load::{self, node};
use clap::{Args, Parser, Subcommand};
use tokio::runtime::Builder;

#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Runs the test.
    Run(Run),
    /// A server, as the test starts it.
    Node {
        /// The URL of the store.
        store: String,
    },
}

#[derive(Debug, Args)]
struct Run {
    /// The store.
    store: Kind,
    /// How many sessions there are at the beginning.
    #[arg(long, default_value_t = 1_000_000)]
    sessions: u32,
    /// For how many seconds.
    #[arg(long, default_value_t = 600)]
    seconds: u32,
    /// Logins a second.
    #[arg(long, default_value_t = 200)]
    logins: u32,
    /// Refreshes a second.
    #[arg(long, default_value_t = 2000)]
    refreshes: u32,
    /// How many clients ask for something else, each as soon as it was answered.
    #[arg(long, default_value_t = 8)]
    clients: usize,
    /// Where the picture goes.
    #[arg(long)]
    picture: PathBuf,
}

fn main() -> ExitCode {
    let runtime = Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    match Arguments::parse().task {
        Task::Node { store } => {
            runtime.block_on(async {
                let manager = place::open(&store).await.build();
                node::serve(manager.expect("the settings are in range")).await;
            });
            ExitCode::SUCCESS
        }
        Task::Run(run) => {
            let plan = Plan {
                store: run.store,
                sessions: run.sessions,
                seconds: run.seconds,
                logins: run.logins,
                refreshes: run.refreshes,
                clients: run.clients,
            };
            let outcome = load::run(&runtime, &plan);
            println!("{}", outcome.text);
            std::fs::write(run.picture, outcome.picture).expect("the file can be written");
            for fault in &outcome.faults {
                println!("FAILED: {fault}");
            }
            if outcome.faults.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
    }
}
