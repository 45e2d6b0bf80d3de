//! The browser half: unit tests, size, package, and the examples' page in Chromium.

use std::path::Path;
use std::process::Command;

use crate::error::{Doing as _, Error};
use crate::install::Program;
use crate::run;
use crate::rust;
use crate::workspace::Workspace;

pub(crate) static NODE: Program = Program {
    name: "Node.js",
    package: "nodejs",
    files: &["node"],
    elsewhere: Vec::new,
    variable: None,
};

static NPM: Program = Program {
    name: "npm",
    package: "npm",
    files: &["npm"],
    elsewhere: Vec::new,
    variable: None,
};

static CHROMIUM: Program = Program {
    name: "Chromium",
    package: "chromium",
    files: &["chromium", "chromium-browser", "google-chrome"],
    elsewhere: Vec::new,
    variable: None,
};

/// What is run, in this order. `build` also checks the size, `embed:check` that the copy in the
/// examples is a fresh build, `lint:package` what users would install.
const SCRIPTS: [&str; 4] = ["build", "test", "embed:check", "lint:package"];

/// Installs the package's tools from its lock file and runs all of its tests.
pub(crate) fn test(workspace: &Workspace) -> Result<(), Error> {
    let folder = workspace.root.join("clients/web");
    if !folder.join("package.json").exists() {
        eprintln!("\n==> no web client in this checkout");
        return Ok(());
    }
    NODE.get()?;
    let npm = NPM.get()?;
    run::run(command(&npm, &folder).args(["ci", "--no-audit", "--no-fund"]))?;
    for script in SCRIPTS {
        run::run(command(&npm, &folder).args(["run", "--silent", script]))?;
    }
    in_chromium(workspace, &npm, &folder)
}

/// Installs what a folder's lock file names, and runs no script of it.
pub(crate) fn install(folder: &Path) -> Result<(), Error> {
    NODE.get()?;
    let mut install = command(&NPM.get()?, folder);
    run::run(install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]))
}

/// Drives the client in a browser without a window: against its own mock of the contract, which
/// has faults that no server should have, and then against each built example.
fn in_chromium(workspace: &Workspace, npm: &Path, folder: &Path) -> Result<(), Error> {
    CHROMIUM.get()?;
    rust::build_examples(workspace)?;
    let keys = tempfile::tempdir().doing("create a temporary folder")?;
    let tests = || {
        let mut tests = command(npm, folder);
        tests
            .args(["run", "--silent", "test:e2e"])
            .env("HALLPASS_KEYS", keys.path().join("keys.json"));
        tests
    };
    run::run(&mut tests())?;
    for (name, program) in rust::examples(workspace) {
        eprintln!("\n==> the same against {name}");
        run::run(tests().env("HALLPASS_E2E_SERVER", program))?;
    }
    Ok(())
}

fn command(npm: &Path, folder: &Path) -> Command {
    let mut command = Command::new(npm);
    command.current_dir(folder);
    command
}
