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

/// Prints the table.
pub(crate) fn table() -> Result<(), Error> {
    let workspace = Workspace::read()?;
    build()?;
    let folder = workspace.target.join("bench");
    fs::create_dir_all(&folder).doing("create a folder for figures")?;
    let programs = workspace.target.join("release");
    let allocations = folder.join("allocations.json");
    let counted = run::output(&mut Command::new(programs.join("allocations")))?;
    fs::write(&allocations, counted).doing("write down the allocations")?;
    let mut table = Command::new(programs.join("bench"));
    table.arg("core").arg("--allocations").arg(&allocations);
    run::run(table.arg("--json").arg(folder.join("core.json")))
}

/// Fails where a ratio is worse than promised.
pub(crate) fn check() -> Result<(), Error> {
    let workspace = Workspace::read()?;
    let valgrind = VALGRIND.get()?;
    build()?;
    let mut check = Command::new(workspace.target.join("release/bench"));
    run::run(check.arg("check").arg("--valgrind").arg(valgrind))
}

fn build() -> Result<(), Error> {
    let build = [
        "build",
        "--release",
        "--locked",
        "--package=bench",
        "--bins",
    ];
    run::run(run::cargo().args(build))
}
