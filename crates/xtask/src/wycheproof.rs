//! The vectors of Project Wycheproof, which no package of a registry has.

use std::path::PathBuf;

use crate::error::{Doing as _, Error};
use crate::program::Program;
use crate::run;
use crate::rust;
use crate::services::Services;
use crate::workspace::Workspace;

const SOURCE: &str = "https://github.com/C2SP/wycheproof";
const COMMIT: &str = "dac1dd4729fd1f8dd9e1e9f3dce51d783da6c166";

/// A folder that has them, where there is no way to their source.
const FOLDER: &str = "HALLPASS_WYCHEPROOF";

/// A filter of nextest.
const TEST: &str = "package(=token-core) & test(wycheproof)";

static GIT: Program = Program {
    name: "git",
    package: "git",
    files: &["git"],
    elsewhere: Vec::new,
    variable: None,
};

/// Runs the JOSE sets against both verifiers, and prints how many of each kind came how far.
pub(crate) fn test(workspace: &Workspace, services: &Services) -> Result<(), Error> {
    let folder = match std::env::var_os(FOLDER) {
        Some(folder) => folder.into(),
        None => fetch(workspace)?,
    };
    let mut vectors = rust::nextest(workspace, TEST, services)?;
    vectors.args(["--run-ignored=only", "--no-capture"]);
    run::run(vectors.env(FOLDER, folder))
}

/// That commit alone, in `target`.
fn fetch(workspace: &Workspace) -> Result<PathBuf, Error> {
    let folder = workspace.target.join("wycheproof");
    if folder.join("testvectors_v1").exists() {
        return Ok(folder);
    }
    std::fs::create_dir_all(&folder).doing(format!("create {}", folder.display()))?;
    for arguments in [
        &["init", "--quiet"][..],
        &["fetch", "--quiet", "--depth", "1", SOURCE, COMMIT],
        &["checkout", "--quiet", "FETCH_HEAD"],
    ] {
        let mut git = run::command(&GIT.get()?);
        run::run(git.current_dir(&folder).args(arguments))?;
    }
    Ok(folder)
}
