//! Measures the tables of `docs/interop.md` again, with the software that they are about.

use std::process::Command;

use clap::ValueEnum;

use crate::error::Error;
use crate::npm;
use crate::python;
use crate::run;
use crate::workspace::Workspace;

/// A table of the page.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Table {
    /// Who reads which algorithm.
    Verifiers,
    /// What OAuth clients do at the refresh route.
    Clients,
}

impl Table {
    const fn script(self) -> &'static str {
        match self {
            Self::Verifiers => "verifiers.mjs",
            Self::Clients => "clients.mjs",
        }
    }
}

/// Installs what npm and PyPI have of it, at the versions of the page, and drives it with a demo. Fails if it does something
/// else than the page says.
pub(crate) fn measure(workspace: &Workspace, table: Table) -> Result<(), Error> {
    let folder = workspace.root.join("crates/e2e/interop");
    npm::install(&folder)?;
    let environment = workspace.target.join("python/interop");
    let programs = python::environment(&environment, &folder.join("requirements.txt"))?;
    let mut build = run::cargo();
    build.args(["build", "--workspace", "--all-features", "--locked"]);
    run::run(build.args(["--bin", "demo-axum"]))?;
    let mut measure = Command::new(npm::NODE.get()?);
    measure.arg(table.script()).current_dir(&folder);
    let server = workspace.target.join("debug/demo-axum");
    measure.env("HALLPASS_E2E_SERVER", server);
    measure.env("HALLPASS_PYTHON", programs.join("python"));
    run::run(&mut measure)
}
