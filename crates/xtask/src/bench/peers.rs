//! What people use today, in a workspace of its own: `crates/bench/peers`.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::npm;
use crate::run;
use crate::workspace::Workspace;

/// The peers, built.
pub(super) struct Peers {
    folder: PathBuf,
    /// Where their programs are.
    pub(super) programs: PathBuf,
}

/// Where the workspace of the peers is.
pub(super) fn folder(workspace: &Workspace) -> PathBuf {
    workspace.root.join("crates/bench/peers")
}

/// cargo, in the workspace of the peers. Not `--locked`: its lock file also says what our own crates
/// depend on, and follows where they change.
pub(super) fn cargo(folder: &Path, target: &Path, command: &str) -> std::process::Command {
    let mut cargo = run::cargo();
    cargo.arg(command).current_dir(folder);
    cargo.arg("--target-dir").arg(target);
    cargo
}

impl Peers {
    /// Builds all that is run.
    pub(super) fn build(workspace: &Workspace) -> Result<Self, Error> {
        let folder = folder(workspace);
        let target = workspace.target.join("peers");
        let mut build = cargo(&folder, &target, "build");
        // That one is only built to see how long that takes.
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

    /// Installs the servers on Node.js from their lock file, and says where they are.
    pub(super) fn install_node(&self) -> Result<PathBuf, Error> {
        let folder = self.folder.join("node");
        npm::install(&folder)?;
        Ok(folder)
    }
}
