//! Node.js, and packages that a lock file pins.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Doing as _, Error};
use crate::program::Program;
use crate::run;

pub(crate) static NODE: Program = Program {
    name: "Node.js",
    package: "nodejs",
    files: &["node"],
    elsewhere: Vec::new,
    variable: None,
};

pub(crate) static NPM: Program = Program {
    name: "npm",
    package: "npm",
    files: &["npm"],
    elsewhere: Vec::new,
    variable: None,
};

/// Installs the packages of a lock file without running their scripts.
pub(crate) fn install(folder: &Path) -> Result<(), Error> {
    installed(folder, &["--ignore-scripts"]).map(drop)
}

/// Installs the packages of a lock file and runs their scripts, which some tools need. Returns npm.
pub(crate) fn ready(folder: &Path) -> Result<PathBuf, Error> {
    installed(folder, &[])
}

fn installed(folder: &Path, flags: &[&str]) -> Result<PathBuf, Error> {
    NODE.get()?;
    let npm = NPM.get()?;
    let lock = folder.join("package-lock.json");
    let wanted = fs::read_to_string(&lock).doing(format!("read {}", lock.display()))?;
    // Written if all went well. npm deletes the folder before it installs.
    let made = folder.join("node_modules/.installed-lock.json");
    if fs::read_to_string(&made).is_ok_and(|made| made == wanted) {
        return Ok(npm);
    }
    let mut install = command(&npm, folder);
    install.args(["ci", "--no-audit", "--no-fund"]).args(flags);
    run::run(&mut install)?;
    // If there are no dependencies, there is no `node_modules`.
    let _ = fs::write(made, wanted);
    Ok(npm)
}

/// A command of npm in a folder.
pub(crate) fn command(npm: &Path, folder: &Path) -> Command {
    let mut command = Command::new(npm);
    command.current_dir(folder);
    command
}
