//! Python, and environments with the packages that a file of requirements pins.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Doing as _, Error};
use crate::program::Program;
use crate::run;

static PYTHON: Program = Program {
    name: "Python 3",
    package: "python3",
    files: &["python3"],
    elsewhere: Vec::new,
    variable: None,
};

/// The module that makes environments. Debian has it in a package of its own.
static VENV: Program = Program {
    name: "Python's venv",
    package: "python3-venv",
    files: &["ensurepip/__init__.py"],
    elsewhere: modules,
    variable: None,
};

/// Makes an environment in this folder with the packages that are pinned by version and digest, if it is
/// not there already. Returns the folder of its programs.
pub(crate) fn environment(folder: &Path, requirements: &Path) -> Result<PathBuf, Error> {
    let programs = folder.join("bin");
    let wanted = fs::read_to_string(requirements);
    let wanted = wanted.doing(format!("read {}", requirements.display()))?;
    // Written if all went well.
    let made = folder.join("requirements.txt");
    let has = fs::read_to_string(&made).is_ok_and(|has| has == wanted);
    if has && programs.join("python").exists() {
        return Ok(programs);
    }
    let python = PYTHON.get()?;
    VENV.get()?;
    let mut venv = Command::new(python);
    run::run(venv.args(["-m", "venv", "--clear"]).arg(folder))?;
    let mut install = Command::new(programs.join("python"));
    let flags = "-m pip install --quiet --disable-pip-version-check --require-hashes --requirement";
    run::run(install.args(flags.split(' ')).arg(requirements))?;
    fs::write(made, wanted).doing("note what was installed")?;
    Ok(programs)
}

/// The folders in which Python looks for modules, and that of Debian's packages.
pub(crate) fn modules() -> Vec<PathBuf> {
    let mut python = Command::new("python3");
    let asked = python.args(["-c", "import sys; print('\\n'.join(sys.path))"]);
    let folders = asked.output().map(|output| output.stdout);
    let folders = String::from_utf8(folders.unwrap_or_default()).unwrap_or_default();
    let debian = "/usr/lib/python3/dist-packages";
    folders.lines().chain([debian]).map(PathBuf::from).collect()
}
