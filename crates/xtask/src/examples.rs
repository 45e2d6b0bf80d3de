//! The example servers, which tests run as built programs.

use std::path::PathBuf;

use crate::error::Error;
use crate::run;
use crate::workspace::Workspace;

/// Builds the login servers, the service that accepts their tokens and the client.
///
/// They are built with the features of the whole workspace, like the tests. If they had features of their
/// own, most dependencies would be built twice. A test is named for the same reason: only then are the
/// features of dependencies for tests enabled.
pub(crate) fn build(workspace: &Workspace) -> Result<(), Error> {
    let mut build = run::cargo();
    build.args(["build", "--workspace", "--all-features", "--locked"]);
    for (name, _) in login_servers(workspace) {
        build.args(["--bin", name]);
    }
    run::run(build.args([
        "--bin",
        "resource-server",
        "--bin",
        "cli",
        "--test",
        "suite",
    ]))
}

/// The servers at which one can log in, which all depend on `example-support`: name and program.
pub(crate) fn login_servers(workspace: &Workspace) -> Vec<(&str, PathBuf)> {
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
