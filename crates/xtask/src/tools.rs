//! Programs that check the repository, at pinned versions.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::python;
use crate::run;
use crate::workspace::Workspace;

/// The file that pins them. Its packages contain the compiled programs; to compile them here would take
/// longer than all tests.
const REQUIREMENTS: &str = ".ci/tools.txt";

/// Runs tests side by side, and shows which one hangs.
pub(crate) fn nextest(workspace: &Workspace) -> Result<PathBuf, Error> {
    get(workspace, "cargo-nextest")
}

/// Checks licences, sources and duplicates of the dependencies (`deny.toml`).
pub(crate) fn deny(workspace: &Workspace) -> Result<(), Error> {
    deny_in(workspace, &workspace.root)
}

/// The same for a workspace in this folder.
pub(crate) fn deny_in(workspace: &Workspace, folder: &Path) -> Result<(), Error> {
    let mut deny = run::command(&get(workspace, "cargo-deny")?);
    deny.current_dir(folder);
    run::run(deny.args(["--all-features", "check", "bans", "licenses", "sources"]))
}

/// Checks the Dockerfile of the demo. It is not built: that needs an engine.
pub(crate) fn dockerfile(workspace: &Workspace) -> Result<(), Error> {
    let mut hadolint = run::command(&get(workspace, "hadolint")?);
    hadolint.current_dir(&workspace.root);
    run::run(hadolint.arg("examples/demo-axum/Dockerfile"))
}

/// Runs the fuzzers of `crates/fuzz`.
pub(crate) fn fuzz(workspace: &Workspace) -> Result<PathBuf, Error> {
    compiled(workspace, "cargo-fuzz", "0.13.1")
}

/// Changes the code, and looks whether tests notice.
pub(crate) fn mutants(workspace: &Workspace) -> Result<PathBuf, Error> {
    compiled(workspace, "cargo-mutants", "27.1.0")
}

/// A program on PATH; if there is none, one that is compiled into `target`.
fn compiled(workspace: &Workspace, name: &str, version: &str) -> Result<PathBuf, Error> {
    if let Some(program) = run::find(name) {
        return Ok(program);
    }
    let folder = workspace.target.join("tools");
    let program = folder.join("bin").join(name);
    if !program.exists() {
        let mut install = run::cargo();
        install.args(["install", "--locked", "--root"]).arg(folder);
        run::run(install.arg(format!("{name}@{version}")))?;
    }
    Ok(program)
}

/// A program on PATH; if there is none, one from an environment in `target`.
fn get(workspace: &Workspace, name: &str) -> Result<PathBuf, Error> {
    if let Some(program) = run::find(name) {
        return Ok(program);
    }
    let folder = workspace.target.join("python/tools");
    let programs = python::environment(&folder, &workspace.root.join(REQUIREMENTS))?;
    Ok(programs.join(name))
}
