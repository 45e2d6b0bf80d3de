//! The tests in Rust.

use std::path::PathBuf;
use std::process::Command;

use crate::error::Error;
use crate::install::Program;
use crate::run;
use crate::services;
use crate::web;
use crate::workspace::Workspace;

/// Builds the examples, starts the servers that the stores' tests need, and runs everything.
pub(crate) fn test(workspace: &Workspace) -> Result<(), Error> {
    build_examples(workspace)?;
    web::install_peers(workspace)?;
    PROMETHEUS.get()?;
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

/// Prints figures for the operations page: how soon a logout is heeded on another node, and how
/// many refreshes a server takes.
pub(crate) fn measure() -> Result<(), Error> {
    let workspace = Workspace::read()?;
    // The programs that the servers of the measurement are.
    let _services = services::start(&workspace)?;
    let mut build = run::cargo();
    build.args(["build", "--release", "--locked"]);
    for (name, _) in examples(&workspace) {
        build.arg(format!("--package={name}"));
    }
    run::run(&mut build)?;
    let measure = "test --release --locked --package=e2e --test=measure -- --ignored --nocapture";
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
    elsewhere: python_modules,
    variable: None,
};

/// Where Python looks for modules, and where Debian puts them.
fn python_modules() -> Vec<PathBuf> {
    let mut python = Command::new("python3");
    let asked = python.args(["-c", "import sys; print('\\n'.join(sys.path))"]);
    let folders = asked.output().map(|output| output.stdout);
    let folders = String::from_utf8(folders.unwrap_or_default()).unwrap_or_default();
    let debian = "/usr/lib/python3/dist-packages";
    folders.lines().chain([debian]).map(PathBuf::from).collect()
}

const EVERYTHING: [&str; 2] = ["--workspace", "--all-features"];
