//! A copy of the workspace that has all changes at once, so that it is compiled once for all of them.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::binary::Binary;
use super::change::Change;
use super::mixed::{CHOICE, Mixed};
use crate::error::{Doing as _, Error};
use crate::run;
use crate::workspace::Workspace;

/// The names of the functions that stay constant, one a line.
const CONSTANT: &str = "constant.txt";

/// The copy. A crate that the tests do not need is empty in it.
#[derive(Debug)]
pub(crate) struct Tree<'a> {
    workspace: &'a Workspace,
    root: PathBuf,
    /// The packages whose tests are asked.
    tested: BTreeSet<String>,
    /// The names of functions that stay constant. The next run reads them from the copy.
    constant: HashSet<String>,
}

/// What the compiler said.
#[derive(Debug)]
pub(crate) enum Built {
    Tests(Vec<Binary>),
    /// These changes, by their number, are not possible.
    Impossible(BTreeSet<usize>),
    /// Something constant calls some functions, so they are as they were now.
    Constant,
}

impl<'a> Tree<'a> {
    pub(crate) fn new(workspace: &'a Workspace, root: PathBuf, tested: BTreeSet<String>) -> Self {
        let constant = fs::read_to_string(root.join(CONSTANT)).unwrap_or_default();
        let constant = constant.lines().map(ToOwned::to_owned).collect();
        Self {
            workspace,
            root,
            tested,
            constant,
        }
    }

    /// Whether a change can be chosen while the tests run.
    pub(crate) fn has(&self, change: &Change) -> bool {
        let text = fs::read_to_string(self.workspace.root.join(&change.file)).unwrap_or_default();
        !self.constant.contains(change.function()) && change.body(&text).is_some()
    }

    /// Writes the copy and compiles its tests.
    pub(crate) fn build(&mut self, changes: &[(usize, &Change)]) -> Result<Built, Error> {
        let lines = self.write(changes)?;
        let mut cargo = run::cargo();
        cargo
            .args(["test", "--no-run", "--workspace", "--all-features", "--lib"])
            .args(["--quiet", "--message-format=json"])
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.workspace.target)
            .env("CARGO_PROFILE_DEV_DEBUG", "false")
            .env("CARGO_INCREMENTAL", "0");
        for name in self.integration_tests()? {
            cargo.arg("--test").arg(name);
        }
        let output = cargo
            .stderr(Stdio::inherit())
            .output()
            .doing("run `cargo test --no-run`")?;
        let messages: Vec<Value> = output
            .stdout
            .split(|sign| *sign == b'\n')
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect();
        if output.status.success() {
            let tests = messages.iter().filter_map(Binary::of);
            let tests = tests.filter(|binary| self.tested.contains(&binary.package));
            return Ok(Built::Tests(tests.collect()));
        }
        let errors: Vec<_> = messages
            .iter()
            .filter_map(|message| message.get("message"))
            .filter(|message| message["level"] == "error")
            .collect();
        let wrong: BTreeSet<_> = errors
            .iter()
            .flat_map(|error| places(error))
            .flat_map(|(file, line)| {
                let lines = lines.get(&file).map(Vec::as_slice).unwrap_or_default();
                lines.iter().filter(move |(range, _)| range.contains(&line))
            })
            .map(|(_, number)| *number)
            .collect();
        if !wrong.is_empty() {
            return Ok(Built::Impossible(wrong));
        }
        let constant: Vec<_> = errors.iter().filter_map(|error| constant(error)).collect();
        if constant.is_empty() {
            let said = |error: &&Value| Some(error["rendered"].as_str()?.to_owned());
            return Err(Error::Failed {
                command: "cargo test --no-run".to_owned(),
                status: output.status,
                last: errors.iter().filter_map(said).collect(),
            });
        }
        self.constant.extend(constant);
        let names: Vec<_> = self.constant.iter().map(String::as_str).collect();
        let file = self.root.join(CONSTANT);
        fs::write(&file, names.join("\n")).doing(format!("write {}", file.display()))?;
        Ok(Built::Constant)
    }

    /// Returns on which lines of each file the changes are.
    fn write(&self, changes: &[(usize, &Change)]) -> Result<Lines, Error> {
        let mut by_file: BTreeMap<&str, Vec<(usize, &Change)>> = BTreeMap::new();
        for &(number, change) in changes {
            by_file
                .entry(&change.file)
                .or_default()
                .push((number, change));
        }
        let changed: BTreeSet<_> = changes.iter().map(|(_, c)| c.package.as_str()).collect();
        let needed = self.workspace.needed_by(&self.tested);
        let mut lines = Lines::new();
        let files = run::output(Command::new("git").current_dir(&self.workspace.root).args([
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
        ]))?;
        for file in files.lines() {
            let from = self.workspace.root.join(file);
            let to = self.root.join(file);
            let package = self.workspace.packages.iter();
            let package = package
                .filter(|package| from.starts_with(&package.folder))
                .max_by_key(|package| package.folder.as_os_str().len());
            let Ok(content) = fs::read(&from) else {
                continue; // removed, or a link to a folder
            };
            let content = match (package, String::from_utf8(content)) {
                (_, Err(binary)) => binary.into_bytes(),
                (None, Ok(text)) if file == "Cargo.toml" => self.versioned(&text).into_bytes(),
                (None, Ok(text)) => text.into_bytes(),
                (Some(package), Ok(text)) => {
                    let inside = from.strip_prefix(&package.folder).unwrap_or(&from);
                    let is_needed = needed.contains(&package.name);
                    let text = if inside == "Cargo.toml" {
                        manifest(&text, is_needed)
                    } else if !is_needed && inside.starts_with("tests") {
                        continue;
                    } else if !is_needed && inside == "src/lib.rs" {
                        String::new()
                    } else if inside.starts_with("src")
                        && changed.contains(package.name.as_str())
                        && to.extension().is_some_and(|end| end == "rs")
                    {
                        let here = by_file.get(file).map(Vec::as_slice).unwrap_or_default();
                        let mut mixed = Mixed::new(&text, here, &self.constant);
                        lines.insert(file.to_owned(), mixed.lines);
                        if inside == "src/lib.rs" {
                            mixed.text.push_str(CHOICE);
                        }
                        mixed.text
                    } else {
                        text
                    };
                    text.into_bytes()
                }
            };
            if fs::read(&to).is_ok_and(|there| there == content) {
                continue;
            }
            let folder = to.parent().unwrap_or(&self.root);
            fs::create_dir_all(folder)
                .and_then(|()| fs::write(&to, content))
                .and_then(|()| fs::set_permissions(&to, fs::metadata(&from)?.permissions()))
                .doing(format!("write {}", to.display()))?;
        }
        Ok(lines)
    }

    /// Two copies at one version would take what the other has compiled for their own.
    fn versioned(&self, manifest: &str) -> String {
        let version = manifest.lines().find_map(|line| {
            let version = line.strip_prefix("version = \"")?;
            version.strip_suffix('"')
        });
        let version = version.unwrap_or_default();
        let part = self.root.parent().and_then(Path::file_name);
        let part = part.unwrap_or_default().to_string_lossy();
        ["\"", "\"="]
            .iter()
            .fold(manifest.to_owned(), |text, start| {
                let old = format!("version = {start}{version}\"");
                text.replace(&old, &format!("version = {start}{version}-{part}\""))
            })
    }

    fn integration_tests(&self) -> Result<BTreeSet<String>, Error> {
        let mut names = BTreeSet::new();
        for package in &self.workspace.packages {
            let folder = package.folder.join("tests");
            if !self.tested.contains(&package.name) || !folder.exists() {
                continue;
            }
            let doing = || format!("read {}", folder.display());
            for entry in fs::read_dir(&folder).doing(doing())? {
                let path = entry.doing(doing())?.path();
                if path.extension().is_some_and(|end| end == "rs") || path.join("main.rs").exists()
                {
                    names.extend(
                        path.file_stem()
                            .map(|name| name.to_string_lossy().into_owned()),
                    );
                }
            }
        }
        Ok(names)
    }
}

type Lines = BTreeMap<String, Vec<(std::ops::RangeInclusive<usize>, usize)>>;

/// Lints of the project would refuse much of what a change leaves over.
fn manifest(text: &str, needed: bool) -> String {
    let mut kept = String::new();
    let mut skipped = false;
    for line in text.lines() {
        if line.starts_with('[') {
            skipped = line == "[lints]" || (!needed && line == "[[test]]");
        }
        if !skipped {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// The places that an error is about, by file and line.
fn places(error: &Value) -> Vec<(String, usize)> {
    let mut spans: Vec<_> = error["spans"].as_array().into_iter().flatten().collect();
    spans.retain(|span| span["is_primary"] == true);
    let mut places = Vec::new();
    for mut span in spans {
        loop {
            let line = span["line_start"]
                .as_u64()
                .and_then(|line| usize::try_from(line).ok());
            let file = span["file_name"].as_str().unwrap_or_default().to_owned();
            places.extend(line.map(|line| (file, line)));
            match span.pointer("/expansion/span") {
                Some(outer) => span = outer,
                None => break,
            }
        }
    }
    places
}

/// The type and the name of the function that is called where only a constant one may be.
fn constant(error: &Value) -> Option<String> {
    if error.pointer("/code/code")? != "E0015" {
        return None;
    }
    let path = error["message"].as_str()?.split('`').nth(1)?;
    let mut names: Vec<_> = path.split("::").collect();
    names.drain(..names.len().saturating_sub(2));
    Some(names.join("::"))
}
