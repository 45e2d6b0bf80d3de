//! Times every operation: `cargo xtask bench` runs this.

#![expect(clippy::print_stdout, reason = "the table is what this is for")]

mod check;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use bench::operation::Pool;
use bench::requests::{self, Tools, paced};
use bench::rounds::Effort;
use bench::{growth, operations, report};
use clap::{Args, Parser, Subcommand};
use figures::memory::{self, Footprint};
use figures::operations::Measured;
use figures::servers;

#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Times the operations and prints the table.
    Core {
        /// Only operations whose name begins with this.
        #[arg(long, default_value = "")]
        only: String,
        /// What `allocations` printed.
        #[arg(long)]
        allocations: Option<PathBuf>,
        /// What `in-memory` of the peers' workspace timed, for the same table.
        #[arg(long)]
        more: Option<PathBuf>,
        /// The memory of a session, as `allocations --memory` prints it.
        #[arg(long)]
        memory: Vec<PathBuf>,
        /// Also writes the figures here, as JSON.
        #[arg(long)]
        json: Option<PathBuf>,
    },
    /// Fails if a ratio is worse than promised, by a margin.
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
    /// Puts whole servers under load.
    Requests(Requests),
    /// Sends requests at a fixed rate and prints the 99th percentile of latency, in microseconds.
    Paced {
        /// What is asked for.
        url: String,
        /// A header of each request; `@` before the name of a file that has one in each line.
        header: String,
        /// Requests a second.
        rate: f64,
        /// For how long.
        milliseconds: u64,
    },
    /// Runs one way of one operation a number of times, for callgrind.
    Run {
        /// The operation.
        name: String,
        /// The number of the way.
        way: usize,
        /// How many times.
        count: u32,
    },
}

/// What whole servers are measured with.
#[derive(Debug, Args)]
struct Requests {
    /// The program wrk.
    #[arg(long)]
    wrk: PathBuf,
    /// Only servers whose name begins with this, and the bare ones beside them.
    #[arg(long, default_value = "")]
    only: String,
    /// How many rounds: each takes some three seconds a server.
    #[arg(long, default_value_t = 4)]
    rounds: usize,
    /// The folder with the peers' programs.
    #[arg(long)]
    peers: Option<PathBuf>,
    /// The folder with the servers on Node.js.
    #[arg(long)]
    node: Option<PathBuf>,
    /// The URL of a Redis on this machine.
    #[arg(long, requires = "redis_process")]
    redis: Option<String>,
    /// The id of its process.
    #[arg(long)]
    redis_process: Option<u32>,
    /// The URL of a PostgreSQL on this machine.
    #[arg(long, requires = "postgres_process")]
    postgres: Option<String>,
    /// The id of its process.
    #[arg(long)]
    postgres_process: Option<u32>,
    /// Also writes the figures here, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    match Arguments::parse().task {
        Task::Core {
            only,
            allocations,
            more,
            memory,
            json,
        } => {
            core(&only, allocations, more, json);
            let memory = memory.iter().flat_map(|file| read::<Vec<Footprint>>(file));
            let memory = memory.collect::<Vec<_>>();
            if !memory.is_empty() {
                println!("{}", memory::table(&memory));
            }
            ExitCode::SUCCESS
        }
        Task::Check { valgrind } => check::run(&valgrind),
        Task::Growth { json } => {
            let measured = growth::measure(Effort::QUICK);
            println!("{}", figures::growth::table(&measured));
            write(json, &measured);
            ExitCode::SUCCESS
        }
        Task::Requests(arguments) => requests(arguments),
        Task::Paced {
            url,
            header,
            rate,
            milliseconds,
        } => {
            let time = Duration::from_millis(milliseconds);
            let headers = match header.strip_prefix('@') {
                Some(file) => std::fs::read_to_string(file).expect("the file is there"),
                None => header,
            };
            let headers: Vec<String> = headers.lines().map(str::to_owned).collect();
            let latencies = paced::load(&url, &headers, rate, time);
            tell(latencies.map(|latencies| println!("{}", paced::p99(&latencies))))
        }
        Task::Run { name, way, count } => run(&name, way, count),
    }
}

fn core(only: &str, allocations: Option<PathBuf>, more: Option<PathBuf>, json: Option<PathBuf>) {
    let allocations = allocations.map(|file| read::<HashMap<String, Vec<f64>>>(&file));
    let chosen = operations::ALL
        .iter()
        .filter(|(name, _)| name.starts_with(only));
    let mut measured: Vec<Measured> = chosen
        .map(|(name, make)| {
            let counted = allocations.as_ref().and_then(|all| all.get(*name));
            report::run(make(Pool(256)), Effort::FULL, counted.map(Vec::as_slice))
        })
        .collect();
    measured.extend(more.map_or_else(Vec::new, |file| read(&file)));
    println!("{}", figures::operations::table(&measured));
    write(json, &measured);
}

fn read<T: serde::de::DeserializeOwned>(file: &Path) -> T {
    let text = std::fs::read_to_string(file).expect("the file is there");
    serde_json::from_str(&text).expect("it is what was written")
}

fn requests(arguments: Requests) -> ExitCode {
    let own = std::env::current_exe().expect("this program has a file");
    let tools = Tools {
        server: own.with_file_name("server"),
        wrk: arguments.wrk,
        peers: arguments.peers,
        node: arguments.node,
        redis: arguments.redis.zip(arguments.redis_process),
        postgres: arguments.postgres.zip(arguments.postgres_process),
    };
    let measured = requests::measure(&tools, &arguments.only, arguments.rounds);
    tell(measured.map(|measured| {
        println!("{}", servers::table(&measured));
        println!("{}", servers::steady_table(&measured));
        write(arguments.json, &measured);
    }))
}

fn tell(done: Result<(), String>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
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

/// Making keys and sessions takes long under valgrind.
const POOL: u64 = 8;

fn run(name: &str, way: usize, count: u32) -> ExitCode {
    let Some((_, make)) = operations::ALL.iter().find(|(own, _)| *own == name) else {
        return ExitCode::FAILURE;
    };
    let mut operation = make(Pool(POOL));
    let Some(way) = operation.ways.get_mut(way) else {
        return ExitCode::FAILURE;
    };
    // Caches and buffers that are filled once do not count.
    (0..2 * POOL).for_each(|_| (way.run)());
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
