//! The web client without a browser: its unit tests, its size and its package.

use crate::error::Error;
use crate::npm;
use crate::run;
use crate::workspace::Workspace;

/// The scripts, in the order in which they run. `build` also checks the size, `embed:check` that the copy in the
/// examples is a fresh build, `lint:package` what users would install.
const SCRIPTS: [&str; 4] = ["build", "test", "embed:check", "lint:package"];

/// Installs the package's tools from its lock file and runs what needs no browser.
pub(crate) fn test(workspace: &Workspace) -> Result<(), Error> {
    let folder = workspace.root.join("clients/web");
    let npm = npm::ready(&folder)?;
    for script in SCRIPTS {
        run::run(npm::command(&npm, &folder).args(["run", "--silent", script]))?;
    }
    Ok(())
}
