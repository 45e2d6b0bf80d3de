//! Measures the stores on real servers: `cargo xtask bench stores` runs this.

#![expect(clippy::print_stdout, reason = "the table is what this is for")]

use std::path::PathBuf;

use bench::stores::{Effort, postgres, redis, sqlite};
use clap::{Parser, ValueEnum};
use figures::stores::{Measured, table};
use tokio::runtime::Builder;

#[derive(Debug, Parser)]
struct Arguments {
    /// Which store.
    store: Store,
    /// How many sessions are stored, in each size.
    #[arg(long, value_delimiter = ',', default_value = "10000,1000000")]
    sessions: Vec<u32>,
    /// How many rounds.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Whole seconds that each way runs in a round.
    #[arg(long, default_value_t = 1)]
    seconds: u32,
    /// How many expired sessions are purged.
    #[arg(long, default_value_t = 1_000_000)]
    purged: u32,
    /// How many seconds refreshes go on before the purge, and after it.
    #[arg(long, default_value_t = 10)]
    calm: u32,
    /// Also writes the figures here, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Store {
    Postgres,
    Redis,
    Sqlite,
}

fn main() {
    let arguments = Arguments::parse();
    // As many threads as this process has processors, as an application has.
    let runtime = Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    let effort = Effort {
        sessions: arguments.sessions,
        rounds: arguments.rounds,
        seconds: arguments.seconds,
        purged: arguments.purged,
        calm: arguments.calm,
    };
    let measured: Vec<Measured> = match arguments.store {
        Store::Postgres => postgres::measure(&runtime, &effort),
        Store::Redis => vec![redis::measure(&runtime, &effort)],
        Store::Sqlite => sqlite::measure(&runtime, &effort),
    };
    println!("{}", table(&measured));
    if let Some(file) = arguments.json {
        let text = serde_json::to_string_pretty(&measured).expect("numbers and texts are JSON");
        std::fs::write(file, text).expect("the file can be written");
    }
}
