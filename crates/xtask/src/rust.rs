//! The tests in Rust.

use std::path::PathBuf;

use crate::error::Error;
use crate::install::Program;
use crate::python;
use crate::run;
use crate::services;
use crate::workspace::Workspace;
use crate::world;

/// Builds the examples, starts the servers that the stores' tests need, and runs everything.
pub(crate) fn test(workspace: &Workspace) -> Result<(), Error> {
    build_examples(workspace)?;
    world::install_peers(workspace)?;
    PROMETHEUS.get()?;
    let services = services::start(workspace)?;
    // nextest runs tests side by side and shows what hangs; without it cargo's own runner does.
    let mut tests = run::cargo();
    if run::find("cargo-nextest").is_some() {
        tests.args(["nextest", "run", "--no-fail-fast"]);
        // Where it happens, and again at the end.
        tests.arg("--failure-output=immediate-final");
    } else {
        tests.args(["test", "--tests", "--no-fail-fast"]);
    }
    let tests = run::run(tests.args(EVERYTHING).envs(services.variables()));
    let mut examples = run::cargo();
    examples.args(["test", "--doc"]).args(EVERYTHING);
    let examples = run::run(examples.envs(services.variables()));
    tests.and(examples)
}

/// Prints figures for the operations page: how soon a logout is heeded on another node, and how
/// many refreshes a server takes.
pub(crate) fn measure() -> Result<(), Error> {
    let workspace = Workspace::read()?;
    // The measurement starts servers of its own.
    services::install()?;
    let mut build = run::cargo();
    build.args(["build", "--release", "--locked"]);
    for (name, _) in examples(&workspace) {
        build.arg(format!("--package={name}"));
    }
    run::run(&mut build)?;
    let measure = "bench --locked --package=e2e --bench=measure";
    run::run(run::cargo().args(measure.split(' ')))
}

/// Builds the example servers and the service that accepts their tokens; tests drive the built programs.
pub(crate) fn build_examples(workspace: &Workspace) -> Result<(), Error> {
    let mut build = run::cargo();
    build.arg("build");
    for (name, _) in examples(workspace) {
        build.arg(format!("--package={name}"));
    }
    // Driven as well, but nobody logs in there: it is none of the servers that every test of a
    // login runs against.
    build.arg("--package=resource-server");
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

/// What reads the examples' metrics as Prometheus does.
static PROMETHEUS: Program = Program {
    name: "Prometheus' client for Python",
    package: "python3-prometheus-client",
    files: &["prometheus_client/parser.py"],
    elsewhere: python::modules,
    variable: None,
};

const EVERYTHING: [&str; 2] = ["--workspace", "--all-features"];
