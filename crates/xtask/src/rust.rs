//! The tests in Rust, in three parts that are built together.

use std::process::Command;

use crate::error::Error;
use crate::program::Program;
use crate::python;
use crate::run;
use crate::services::{self, Services};
use crate::tools;
use crate::verifiers;
use crate::workspace::Workspace;

/// Everything is built with all features, so that what one part has built is there for the next.
const EVERYTHING: [&str; 3] = ["--workspace", "--all-features", "--locked"];

/// The tests that compare with the verifiers of others, as nextest selects them.
const VERIFIERS: &str = "(package(=token-core) & (binary(=peers) | binary(=differential)))";

/// The tests of the built examples.
const EXAMPLES: &str = "package(=e2e)";

/// The tests of `xtask` itself that start servers.
const SERVICES: &str = "(package(=xtask) & test(/^services::/))";

/// What needs nothing but a processor, the examples in the documentation last.
pub(crate) fn test(workspace: &Workspace) -> Result<(), Error> {
    let stores = stores(workspace);
    let tests = format!("not ({stores} | {VERIFIERS} | {EXAMPLES})");
    let tests = run::run(&mut nextest(workspace, &tests, &Services::default())?);
    let mut examples = run::cargo();
    let examples = run::run(examples.args(["test", "--doc"]).args(EVERYTHING));
    tests.and(examples)
}

/// What needs PostgreSQL and Redis.
pub(crate) fn test_stores(workspace: &Workspace) -> Result<(), Error> {
    let services = services::start(workspace)?;
    run::run(&mut nextest(workspace, &stores(workspace), &services)?)
}

/// What drives the built examples, and what needs the verifiers of others.
pub(crate) fn test_examples(workspace: &Workspace) -> Result<(), Error> {
    verifiers::install(workspace)?;
    PROMETHEUS.get()?;
    let services = services::start(workspace)?;
    let filter = format!("{VERIFIERS} | {EXAMPLES}");
    run::run(&mut nextest(workspace, &filter, &services)?)
}

/// The packages that have `testbed`, which knows the servers, and no built examples.
fn stores(workspace: &Workspace) -> String {
    let packages = workspace.packages.iter();
    let packages = packages.filter(|package| {
        package.name == "testbed" || (package.uses_testbed && package.name != "e2e")
    });
    let selected = packages.map(|package| format!("package(={}) | ", package.name));
    format!("({}{SERVICES})", selected.collect::<String>())
}

/// The command that runs the tests that a filter selects.
pub(crate) fn nextest(
    workspace: &Workspace,
    filter: &str,
    services: &Services,
) -> Result<Command, Error> {
    let mut tests = run::command(&tools::nextest(workspace)?);
    tests.args(["nextest", "run"]).args(EVERYTHING);
    tests.args(["--no-fail-fast", "--filterset", filter]);
    // Where it happens, and again at the end.
    tests.arg("--failure-output=immediate-final");
    tests
        .current_dir(&workspace.root)
        .envs(services.variables());
    Ok(tests)
}

/// What reads the examples' metrics as Prometheus does.
static PROMETHEUS: Program = Program {
    name: "Prometheus' client for Python",
    package: "python3-prometheus-client",
    files: &["prometheus_client/parser.py"],
    elsewhere: python::modules,
    variable: None,
};
