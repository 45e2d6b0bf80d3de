//! The verifiers in other languages that tests compare `token-core` with.

use crate::error::Error;
use crate::npm;
use crate::python;
use crate::workspace::Workspace;

/// Installs them at pinned versions, in the folders in which the tests look for them.
pub(crate) fn install(workspace: &Workspace) -> Result<(), Error> {
    let folder = workspace.root.join("crates/token-core/tests/peers");
    npm::install(&folder)?;
    let environment = workspace.target.join("python/token-core");
    python::environment(&environment, &folder.join("requirements.txt")).map(drop)
}
