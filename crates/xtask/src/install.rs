//! Installs programs that are missing, if that is allowed.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

use crate::error::{Doing, Error};
use crate::program::Program;
use crate::run;

impl Program {
    /// The path of the program. If it is missing and this is root on Debian, it is installed first.
    pub(crate) fn get(&'static self) -> Result<PathBuf, Error> {
        if let Some(file) = self.find() {
            return Ok(file);
        }
        if !is_root()? || !Path::new("/etc/debian_version").exists() {
            return Err(Error::Missing(self));
        }
        install(&[self.package])?;
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

/// Installs those of Debian's packages that are missing, in the versions that its lists have.
pub(crate) fn packages(names: &[&'static str]) -> Result<(), Error> {
    let is_missing = |name: &&&str| {
        let mut query = Command::new("dpkg-query");
        let state = query.args(["--show", "--showformat=${db:Status-Status}", name]);
        state
            .output()
            .map_or(true, |state| state.stdout != b"installed")
    };
    let missing: Vec<&str> = names.iter().filter(is_missing).copied().collect();
    if missing.is_empty() {
        return Ok(());
    }
    install(&missing)
}

fn install(packages: &[&str]) -> Result<(), Error> {
    static UPDATE: Once = Once::new();
    // If this fails, the old package lists may still do.
    UPDATE.call_once(|| drop(run::run(apt().arg("update"))));
    let flags = ["install", "--yes", "--no-install-recommends"];
    run::run(apt().args(flags).args(packages))
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .arg("--quiet");
    command
}
