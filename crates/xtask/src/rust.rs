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

/// Everything is built with all features. If parts had different ones, most dependencies would be built
/// more than once.
const EVERYTHING: [&str; 3] = ["--workspace", "--all-features", "--locked"];

/// A filter of nextest: the tests that compare with verifiers in other languages.
const VERIFIERS: &str = "(package(=token-core) & (binary(=peers) | binary(=differential)))";

/// A filter of nextest: the tests of the built examples.
const EXAMPLES: &str = "package(=e2e)";

/// A filter of nextest: the tests of `xtask` that start servers.
const SERVICES: &str = "(package(=xtask) & test(/^services::/))";

/// Runs the tests that need nothing but a processor, and then the examples in the documentation.
pub(crate) fn test(workspace: &Workspace) -> Result<(), Error> {
    let stores = stores(workspace);
    let tests = format!("not ({stores} | {VERIFIERS} | {EXAMPLES})");
    let tests = run::run(&mut nextest(workspace, &tests, &Services::default())?);
    let mut examples = run::cargo();
    let examples = run::run(examples.args(["test", "--doc"]).args(EVERYTHING));
    tests.and(examples)
}

/// Runs the tests that need PostgreSQL and Redis.
pub(crate) fn test_stores(workspace: &Workspace) -> Result<(), Error> {
    PGBOUNCER.get()?;
    let services = services::start(workspace)?;
    run::run(&mut nextest(workspace, &stores(workspace), &services)?)
}

/// Runs the tests of the built examples, and those that need verifiers in other languages.
pub(crate) fn test_examples(workspace: &Workspace) -> Result<(), Error> {
    verifiers::install(workspace)?;
    PROMETHEUS.get()?;
    let services = services::start(workspace)?;
    let filter = format!("{VERIFIERS} | {EXAMPLES}");
    run::run(&mut nextest(workspace, &filter, &services)?)
}

/// A filter of nextest: the packages that use the servers of `testbed`, but no built examples.
fn stores(workspace: &Workspace) -> String {
    let packages = workspace.packages.iter();
    let packages = packages.filter(|package| {
        package.name == "testbed" || (package.uses_testbed && package.name != "e2e")
    });
    let selected = packages.map(|package| format!("package(={}) | ", package.name));
    format!("({}{SERVICES})", selected.collect::<String>())
}

/// A command that runs the tests that a filter selects.
pub(crate) fn nextest(
    workspace: &Workspace,
    filter: &str,
    services: &Services,
) -> Result<Command, Error> {
    let mut tests = run::command(&tools::nextest(workspace)?);
    tests.args(["nextest", "run"]).args(EVERYTHING);
    tests.args(["--no-fail-fast", "--filterset", filter]);
    // Failures are printed at once, and again at the end.
    tests.arg("--failure-output=immediate-final");
    tests
        .current_dir(&workspace.root)
        .envs(services.variables());
    Ok(tests)
}

/// A pooler in front of PostgreSQL.
static PGBOUNCER: Program = Program {
    name: "PgBouncer",
    package: "pgbouncer",
    files: &["pgbouncer"],
    elsewhere: || vec!["/usr/sbin".into()],
    variable: None,
};

/// Reads the examples' metrics as Prometheus does.
static PROMETHEUS: Program = Program {
    name: "Prometheus' client for Python",
    package: "python3-prometheus-client",
    files: &["prometheus_client/parser.py"],
    elsewhere: python::modules,
    variable: None,
};
