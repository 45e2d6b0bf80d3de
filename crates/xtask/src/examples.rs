//! The example servers, which tests drive as built programs.

use std::path::PathBuf;

use crate::error::Error;
use crate::run;
use crate::workspace::Workspace;

/// Builds the login servers and the service that accepts their tokens.
///
/// Of the whole workspace and with all features, like the tests: each dependency is built once.
pub(crate) fn build(workspace: &Workspace) -> Result<(), Error> {
    let mut build = run::cargo();
    build.args(["build", "--workspace", "--all-features", "--locked"]);
    for (name, _) in login_servers(workspace) {
        build.args(["--bin", name]);
    }
    run::run(build.args(["--bin", "resource-server"]))
}

/// The servers at which one can log in, which all have `example-support`: name and program.
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
