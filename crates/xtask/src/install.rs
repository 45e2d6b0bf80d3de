//! Gets programs that are missing, where that is allowed.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

use crate::error::{Doing, Error};
use crate::run;

/// A program that tests need, under the names that it has.
#[derive(Debug)]
pub(crate) struct Program {
    /// What a person calls it.
    pub(crate) name: &'static str,
    /// The Debian package that has it.
    pub(crate) package: &'static str,
    /// File names, the preferred one first.
    pub(crate) files: &'static [&'static str],
    /// Where it is looked for beside PATH.
    pub(crate) elsewhere: fn() -> Vec<PathBuf>,
    /// The variable that names a running server instead, where there is one.
    pub(crate) variable: Option<&'static str>,
}

impl Program {
    /// What else would do, for an error message.
    pub(crate) fn otherwise(&self) -> String {
        self.variable
            .map(|variable| format!(", or set {variable}"))
            .unwrap_or_default()
    }

    /// The program's file; installed first where it is missing and this is root on Debian.
    pub(crate) fn get(&'static self) -> Result<PathBuf, Error> {
        if let Some(file) = self.find() {
            return Ok(file);
        }
        if !is_root()? || !Path::new("/etc/debian_version").exists() {
            return Err(Error::Missing(self));
        }
        install(self.package)?;
        self.find().ok_or(Error::Missing(self))
    }

    fn find(&self) -> Option<PathBuf> {
        let on_path = self.files.iter().find_map(|file| run::find(file));
        on_path.or_else(|| {
            let folders = (self.elsewhere)();
            let mut files = folders
                .iter()
                .flat_map(|folder| self.files.iter().map(|file| folder.join(file)));
            files.find(|file| file.is_file())
        })
    }
}

/// Whether this process may install packages and change users.
pub(crate) fn is_root() -> Result<bool, Error> {
    let own = std::fs::metadata("/proc/self").doing("read /proc/self")?;
    Ok(own.uid() == 0)
}

fn install(package: &str) -> Result<(), Error> {
    static UPDATE: Once = Once::new();
    // Old package lists may still do; if not, the installation says so.
    UPDATE.call_once(|| drop(run::run(apt().arg("update"))));
    run::run(apt().args(["install", "--yes", "--no-install-recommends", package]))
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .arg("--quiet");
    command
}
