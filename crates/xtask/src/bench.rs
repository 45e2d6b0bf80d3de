//! Measurements: builds `crates/bench` and the peers beside it, and runs their programs.

mod build;
mod peers;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{Args, ValueEnum};

use self::peers::Peers;
use crate::error::{Doing, Error};
use crate::program::Program;
use crate::run;
use crate::services;
use crate::workspace::Workspace;

static VALGRIND: Program = Program {
    name: "Valgrind",
    package: "valgrind",
    files: &["valgrind"],
    elsewhere: Vec::new,
    variable: None,
};

static WRK: Program = Program {
    name: "wrk",
    package: "wrk",
    files: &["wrk"],
    elsewhere: Vec::new,
    variable: None,
};

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only this part; if none is named, all but `build`.
    part: Option<Part>,
    /// Only fails if a ratio is worse than promised: short, for CI.
    #[arg(long, conflicts_with_all = ["part", "only", "rounds"])]
    check: bool,
    /// Only operations, servers or programs whose name begins with this.
    #[arg(long, default_value = "")]
    only: String,
    /// How many rounds of `requests` (5 if it is not given, of some three seconds a server), of `stores`
    /// (7, of one second a way), or of `build` (1).
    #[arg(long)]
    rounds: Option<usize>,
}

/// A part of the measurements that can be run by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// How long our crates and the peers take to build, how many crates they depend on, and the size
    /// of a program.
    Build,
    /// Single operations, the memory of a session, and charts.
    Core,
    /// How cost grows, and charts.
    Growth,
    /// Whole servers under load.
    Requests,
    /// Refreshes a second on PostgreSQL, Redis and SQLite (`--only` one of them) beside pgbench,
    /// redis-benchmark and the bare statement, at ten thousand and at a million sessions; refreshes
    /// while a million sessions are purged; bytes a session. It starts its own servers.
    Stores,
}

/// The profile of everything that is measured, and its folder.
const PROFILE: &str = "measure";

/// The stores of [`Part::Stores`].
const STORES: [&str; 3] = ["postgres", "redis", "sqlite"];

/// Prints tables, and writes them as JSON and as charts to `target/bench`; or only checks.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    let workspace = Workspace::read()?;
    if arguments.check {
        return check(&workspace);
    }
    let bench = Bench::new(&workspace)?;
    let only = arguments.only.as_str();
    match arguments.part {
        Some(Part::Build) => {
            return build::measure(&workspace, only, arguments.rounds.unwrap_or(1));
        }
        Some(Part::Core) => bench.core(only)?,
        Some(Part::Growth) => bench.growth()?,
        Some(Part::Requests) => return bench.requests(only, arguments.rounds),
        Some(Part::Stores) => return bench.stores(only, arguments.rounds),
        None => {
            bench.core(only)?;
            bench.growth()?;
            bench.requests(only, arguments.rounds)?;
            bench.stores(only, arguments.rounds)?;
        }
    }
    bench.charts()
}

/// Fails if a ratio is worse than promised.
fn check(workspace: &Workspace) -> Result<(), Error> {
    let valgrind = VALGRIND.get()?;
    build_own(&["--features=axum"])?;
    let mut check = Command::new(workspace.target.join(PROFILE).join("bench"));
    run::run(check.arg("check").arg("--valgrind").arg(valgrind))
}

/// The folders of a measurement.
struct Bench<'a> {
    workspace: &'a Workspace,
    /// The folder of our programs.
    programs: PathBuf,
    /// The folder of figures and charts.
    figures: PathBuf,
}

impl<'a> Bench<'a> {
    fn new(workspace: &'a Workspace) -> Result<Self, Error> {
        let figures = workspace.target.join("bench");
        fs::create_dir_all(&figures).doing("create a folder for figures")?;
        Ok(Self {
            workspace,
            programs: workspace.target.join(PROFILE),
            figures,
        })
    }

    fn core(&self, only: &str) -> Result<(), Error> {
        build_own(&["--features=axum"])?;
        let peers = Peers::build(self.workspace)?;
        let allocations = self.programs.join("allocations");
        let counted = self.printed(&allocations, &[], "allocations")?;
        let memory = self.printed(&allocations, &["--memory"], "memory")?;
        let count = peers.program("peers-count");
        let peers_counted = self.printed(&count, &[], "peers-allocations")?;
        let peers_memory = self.printed(&count, &["--memory"], "peers-memory")?;
        let more = {
            let mut time = Command::new(peers.program("peers-time"));
            let printed = run::output(time.arg(peers_counted))?;
            self.write("peers-core", &printed)?
        };
        let mut core = self.bench();
        core.args(["core", "--only", only]);
        core.arg("--allocations")
            .arg(counted)
            .arg("--more")
            .arg(more);
        core.arg("--memory").arg(memory);
        core.arg("--memory").arg(peers_memory);
        run::run(core.arg("--json").arg(self.file("core")))
    }

    fn growth(&self) -> Result<(), Error> {
        build_own(&[])?;
        let mut growth = self.bench();
        run::run(growth.arg("growth").arg("--json").arg(self.file("growth")))
    }

    fn requests(&self, only: &str, rounds: Option<usize>) -> Result<(), Error> {
        let wrk = WRK.get()?;
        build_own(&["--features=servers"])?;
        let peers = Peers::build(self.workspace)?;
        let node = peers.install_node()?;
        let redis = services::redis()?;
        let mut requests = self.bench();
        requests
            .args(["requests", "--only", only])
            .arg("--wrk")
            .arg(wrk);
        if let Some(rounds) = rounds {
            requests.arg("--rounds").arg(rounds.to_string());
        }
        requests.arg("--peers").arg(&peers.programs);
        requests.arg("--node").arg(node);
        requests.args(["--redis", redis.url()]);
        requests.args(["--redis-process", &redis.process().to_string()]);
        run::run(requests.arg("--json").arg(self.file("requests")))
    }

    fn stores(&self, only: &str, rounds: Option<usize>) -> Result<(), Error> {
        services::install()?;
        build_own(&["--features=stores"])?;
        let program = self.programs.join("stores");
        for name in STORES.into_iter().filter(|name| name.starts_with(only)) {
            let mut measure = if name == "redis" {
                // Redis has one thread, which gets the first processor. The clients get the second, ours
                // and redis-benchmark's alike.
                let mut pinned = Command::new("taskset");
                pinned.args(["--cpu-list", "1"]).arg(&program);
                pinned
            } else {
                Command::new(&program)
            };
            measure.arg(name).arg("--json");
            measure.arg(self.file(&format!("stores-{name}")));
            if let Some(rounds) = rounds {
                measure.arg("--rounds").arg(rounds.to_string());
            }
            run::run(&mut measure)?;
        }
        Ok(())
    }

    /// Draws charts of the figures, if there are some; they may be of an earlier run.
    fn charts(&self) -> Result<(), Error> {
        let (core, growth) = (self.file("core"), self.file("growth"));
        if !core.exists() || !growth.exists() {
            return Ok(());
        }
        let mut charts = self.bench();
        charts.arg("charts").arg("--core").arg(core);
        run::run(charts.arg("--growth").arg(growth).arg(&self.figures))
    }

    fn bench(&self) -> Command {
        Command::new(self.programs.join("bench"))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.figures.join(format!("{name}.json"))
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf, Error> {
        let file = self.file(name);
        fs::write(&file, text).doing("write down figures")?;
        Ok(file)
    }

    /// Runs a program and writes its output to a file of this name.
    fn printed(&self, program: &Path, arguments: &[&str], name: &str) -> Result<PathBuf, Error> {
        let printed = run::output(Command::new(program).args(arguments))?;
        self.write(name, &printed)
    }
}

fn build_own(more: &[&str]) -> Result<(), Error> {
    let build = [
        "build",
        "--profile",
        PROFILE,
        "--locked",
        "--package=bench",
        "--bins",
    ];
    run::run(run::cargo().args(build).args(more))
}
