//! Figures of the example servers.

use crate::error::Error;
use crate::examples;
use crate::run;
use crate::services;
use crate::workspace::Workspace;

/// Prints figures for the operations page: how soon a logout is known on another node, and how
/// many refreshes a server takes.
pub(crate) fn run() -> Result<(), Error> {
    let workspace = Workspace::read()?;
    // The measurement starts servers of its own.
    services::install()?;
    let mut build = run::cargo();
    build.args(["build", "--release", "--locked", "--all-features"]);
    for (name, _) in examples::login_servers(&workspace) {
        build.arg(format!("--package={name}"));
    }
    run::run(&mut build)?;
    let measure = "bench --locked --package=e2e --bench=measure";
    run::run(run::cargo().args(measure.split(' ')))
}
