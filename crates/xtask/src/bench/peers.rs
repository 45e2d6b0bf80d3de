//! Other libraries, in a workspace of their own: `crates/bench/peers`.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::npm;
use crate::run;
use crate::workspace::Workspace;

/// The programs of the peers.
pub(super) struct Peers {
    folder: PathBuf,
    target: PathBuf,
    /// The folder of their programs.
    pub(super) programs: PathBuf,
}

/// The folder of the workspace of the peers.
pub(super) fn folder(workspace: &Workspace) -> PathBuf {
    workspace.root.join("crates/bench/peers")
}

/// A command of cargo in the workspace of the peers. It is not `--locked`: the lock file also has the
/// dependencies of our own crates, and has to follow if they change.
pub(super) fn cargo(folder: &Path, target: &Path, command: &str) -> std::process::Command {
    let mut cargo = run::cargo();
    cargo.arg(command).current_dir(folder);
    cargo.arg("--target-dir").arg(target);
    cargo
}

impl Peers {
    pub(super) fn new(workspace: &Workspace) -> Self {
        let target = workspace.target.join("peers");
        Self {
            folder: folder(workspace),
            programs: target.join("release"),
            target,
        }
    }

    /// Builds all programs that are run.
    pub(super) fn build(&self) -> Result<(), Error> {
        let mut build = cargo(&self.folder, &self.target, "build");
        // That one is only for the measurement of build times.
        build.args(["--release", "--workspace", "--exclude=axum-jwt-authorizer"]);
        run::run(&mut build)
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// The folder of the servers on Node.js.
    pub(super) fn node(&self) -> PathBuf {
        self.folder.join("node")
    }

    /// Installs what these need, from their lock file.
    pub(super) fn install_node(&self) -> Result<(), Error> {
        npm::install(&self.node())
    }
}
