//! Times every operation: `cargo xtask bench` runs this.

#![expect(clippy::print_stdout, reason = "the table is what this is for")]

mod check;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bench::chart;
use bench::growth::{self, Curve};
use bench::operation::{self, Pool};
use bench::report::{self, Measured};
use bench::requests;
use bench::rounds::Effort;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Times the operations and prints the table.
    Core {
        /// Only operations whose name begins so.
        #[arg(long, default_value = "")]
        only: String,
        /// What `allocations` printed.
        #[arg(long)]
        allocations: Option<PathBuf>,
        /// Also writes the figures here, as JSON.
        #[arg(long)]
        json: Option<PathBuf>,
    },
    /// Fails where a ratio is worse than promised, by a margin.
    Check {
        /// The program valgrind.
        #[arg(long)]
        valgrind: PathBuf,
    },
    /// Measures how the cost grows.
    Growth {
        /// Also writes the figures here, as JSON.
        #[arg(long)]
        json: Option<PathBuf>,
    },
    /// Draws the charts of figures that were written down.
    Charts {
        /// What `core` wrote.
        #[arg(long)]
        core: PathBuf,
        /// What `growth` wrote.
        #[arg(long)]
        growth: PathBuf,
        /// Where the charts go.
        folder: PathBuf,
    },
    /// Puts whole servers under load.
    Requests {
        /// The program wrk.
        #[arg(long)]
        wrk: PathBuf,
        /// How many rounds.
        #[arg(long, default_value_t = 7)]
        rounds: usize,
        /// Also writes the figures here, as JSON.
        #[arg(long)]
        json: Option<PathBuf>,
    },
    /// Runs one way of one operation so many times, for callgrind.
    Run {
        /// The operation.
        name: String,
        /// Which way.
        way: usize,
        /// How many times.
        count: u32,
    },
}

fn main() -> ExitCode {
    match Arguments::parse().task {
        Task::Core {
            only,
            allocations,
            json,
        } => core(&only, allocations, json),
        Task::Check { valgrind } => check::run(&valgrind),
        Task::Growth { json } => {
            let measured = growth::measure(Effort::QUICK);
            println!("{}", report::growth(&measured));
            write(json, &measured);
            ExitCode::SUCCESS
        }
        Task::Charts {
            core,
            growth,
            folder,
        } => charts(&core, &growth, &folder),
        Task::Requests { wrk, rounds, json } => requests(&wrk, rounds, json),
        Task::Run { name, way, count } => run(&name, way, count),
    }
}

fn core(only: &str, allocations: Option<PathBuf>, json: Option<PathBuf>) -> ExitCode {
    let allocations = allocations.map(|file| read::<HashMap<String, Vec<f64>>>(&file));
    let chosen = operation::ALL
        .iter()
        .filter(|(name, _)| name.starts_with(only));
    let measured: Vec<Measured> = chosen
        .map(|(name, make)| {
            let counted = allocations.as_ref().and_then(|all| all.get(*name));
            report::run(make(Pool(256)), Effort::FULL, counted.map(Vec::as_slice))
        })
        .collect();
    println!("{}", report::markdown(&measured));
    write(json, &measured);
    ExitCode::SUCCESS
}

fn charts(core: &Path, growth: &Path, folder: &Path) -> ExitCode {
    let core: Vec<Measured> = read(core);
    let growth: Vec<Curve> = read(growth);
    let mut files = vec![("performance.svg".to_owned(), chart::bars(&core))];
    for (curve, number) in growth.iter().zip(1..) {
        files.push((format!("growth-{number}.svg"), chart::line(curve)));
    }
    for (name, drawn) in files {
        std::fs::write(folder.join(name), drawn).expect("the folder can be written to");
    }
    ExitCode::SUCCESS
}

fn read<T: serde::de::DeserializeOwned>(file: &Path) -> T {
    let text = std::fs::read_to_string(file).expect("the file is there");
    serde_json::from_str(&text).expect("it is what was written")
}

fn requests(wrk: &Path, rounds: usize, json: Option<PathBuf>) -> ExitCode {
    let own = std::env::current_exe().expect("this program has a file");
    match requests::measure(&own.with_file_name("server"), wrk, rounds) {
        Ok(measured) => {
            println!("{}", report::requests(&measured));
            write(json, &measured);
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn write(file: Option<PathBuf>, figures: &impl serde::Serialize) {
    if let Some(file) = file {
        let text = serde_json::to_string_pretty(figures).expect("numbers and texts are JSON");
        std::fs::write(file, text).expect("the file can be written");
    }
}

fn run(name: &str, way: usize, count: u32) -> ExitCode {
    let Some((_, make)) = operation::ALL.iter().find(|(own, _)| *own == name) else {
        return ExitCode::FAILURE;
    };
    let mut operation = make(Pool(8));
    let Some(way) = operation.ways.get_mut(way) else {
        return ExitCode::FAILURE;
    };
    counted_body(&mut way.run, count);
    ExitCode::SUCCESS
}

/// What callgrind is told to count.
#[inline(never)]
fn counted_body(way: &mut dyn FnMut(), count: u32) {
    for _ in 0..count {
        way();
    }
}
