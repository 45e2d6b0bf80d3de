//! Other libraries, in a workspace of their own: `crates/bench/peers`.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::npm;
use crate::run;
use crate::workspace::Workspace;

/// The built peers.
pub(super) struct Peers {
    folder: PathBuf,
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
    /// Builds all programs that are run.
    pub(super) fn build(workspace: &Workspace) -> Result<Self, Error> {
        let folder = folder(workspace);
        let target = workspace.target.join("peers");
        let mut build = cargo(&folder, &target, "build");
        // That one is only for the measurement of build times.
        build.args(["--release", "--workspace", "--exclude=axum-jwt-authorizer"]);
        run::run(&mut build)?;
        Ok(Self {
            folder,
            programs: target.join("release"),
        })
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// Installs the servers on Node.js from their lock file, and returns their folder.
    pub(super) fn install_node(&self) -> Result<PathBuf, Error> {
        let folder = self.folder.join("node");
        npm::install(&folder)?;
        Ok(folder)
    }
}
