//! How fast it is: builds `crates/bench` and runs its programs.

use std::fs;
use std::process::Command;

use crate::error::{Doing, Error};
use crate::install::Program;
use crate::run;
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

/// Prints the tables, and leaves them as JSON and as charts in `target/bench`.
pub(crate) fn tables() -> Result<(), Error> {
    let workspace = Workspace::read()?;
    let wrk = WRK.get()?;
    build(&["--features=servers"])?;
    let folder = workspace.target.join("bench");
    fs::create_dir_all(&folder).doing("create a folder for figures")?;
    let programs = workspace.target.join("release");
    let figures = |name: &str| folder.join(format!("{name}.json"));
    let allocations = figures("allocations");
    let counted = run::output(&mut Command::new(programs.join("allocations")))?;
    fs::write(&allocations, counted).doing("write down the allocations")?;
    run::run(Command::new(programs.join("allocations")).arg("--memory"))?;
    let bench = || Command::new(programs.join("bench"));
    let mut core = bench();
    core.arg("core").arg("--allocations").arg(&allocations);
    run::run(core.arg("--json").arg(figures("core")))?;
    run::run(bench().arg("growth").arg("--json").arg(figures("growth")))?;
    let mut charts = bench();
    charts.arg("charts").arg("--core").arg(figures("core"));
    run::run(charts.arg("--growth").arg(figures("growth")).arg(&folder))?;
    let mut requests = bench();
    requests.arg("requests").arg("--wrk").arg(wrk);
    run::run(requests.arg("--json").arg(figures("requests")))
}

/// Fails where a ratio is worse than promised.
pub(crate) fn check() -> Result<(), Error> {
    let workspace = Workspace::read()?;
    let valgrind = VALGRIND.get()?;
    build(&[])?;
    let mut check = Command::new(workspace.target.join("release/bench"));
    run::run(check.arg("check").arg("--valgrind").arg(valgrind))
}

fn build(more: &[&str]) -> Result<(), Error> {
    let build = [
        "build",
        "--release",
        "--locked",
        "--package=bench",
        "--bins",
    ];
    run::run(run::cargo().args(build).args(more))
}
