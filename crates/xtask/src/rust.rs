//! The tests in Rust.

use std::path::PathBuf;

use crate::error::Error;
use crate::run;
use crate::services;
use crate::web;
use crate::workspace::Workspace;

/// Builds the examples, starts the servers that the stores' tests need, and runs everything.
pub(crate) fn test(workspace: &Workspace) -> Result<(), Error> {
    build_examples(workspace)?;
    web::install_peers(workspace)?;
    let services = services::start(workspace)?;
    // nextest runs tests side by side and shows what hangs; without it cargo's own runner does.
    let mut tests = run::cargo();
    if run::find("cargo-nextest").is_some() {
        tests.args(["nextest", "run", "--no-fail-fast"]);
    } else {
        tests.args(["test", "--tests", "--no-fail-fast"]);
    }
    run::run(tests.args(EVERYTHING).envs(services.variables()))?;
    run::run(
        run::cargo()
            .args(["test", "--doc"])
            .args(EVERYTHING)
            .envs(services.variables()),
    )
}

/// Builds the example servers; tests drive the built programs.
pub(crate) fn build_examples(workspace: &Workspace) -> Result<(), Error> {
    let examples = examples(workspace);
    if examples.is_empty() {
        return Ok(());
    }
    let mut build = run::cargo();
    build.arg("build");
    for (name, _) in &examples {
        build.arg(format!("--package={name}"));
    }
    run::run(&mut build)
}

/// The example servers: name and program. What they share tells them from other examples.
pub(crate) fn examples(workspace: &Workspace) -> Vec<(&str, PathBuf)> {
    let servers = workspace.packages.iter().filter(|package| {
        let mut dependencies = package.dependencies.iter();
        dependencies.any(|name| name == "example-support")
    });
    servers
        .map(|package| {
            let program = workspace.target.join("debug").join(&package.name);
            (package.name.as_str(), program)
        })
        .collect()
}

const EVERYTHING: [&str; 2] = ["--workspace", "--all-features"];
