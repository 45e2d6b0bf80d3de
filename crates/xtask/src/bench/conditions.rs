//! When, where and of what a run is, and the folder in which its figures are collected.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use figures::run::Conditions;
use serde_json::Value;

use super::peers;
use crate::error::{Doing, Error};
use crate::run;
use crate::workspace::Workspace;

/// The folder of the figures of one run, a file a part.
pub(super) struct Folder(PathBuf);

/// The file of the conditions.
const RUN: &str = "run";

impl Folder {
    pub(super) fn new(folder: PathBuf) -> Result<Self, Error> {
        fs::create_dir_all(&folder).doing("create a folder for figures")?;
        Ok(Self(folder))
    }

    /// Begins a run. The figures of the one before are removed if a new run is asked for, or if they are of
    /// another commit or day.
    pub(super) fn begin(&self, workspace: &Workspace, new: bool) -> Result<(), Error> {
        let now = conditions(workspace)?;
        let goes_on = !new
            && self
                .conditions()
                .is_some_and(|before| before.commit == now.commit && before.day == now.day);
        if goes_on {
            return Ok(());
        }
        for entry in fs::read_dir(&self.0).doing("list figures")? {
            let path = entry.doing("list figures")?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                fs::remove_file(path).doing("remove the figures of an earlier run")?;
            }
        }
        let text = serde_json::to_string_pretty(&now).unwrap_or_default();
        self.write(RUN, &text).map(drop)
    }

    /// The conditions of the run whose figures are here.
    pub(super) fn conditions(&self) -> Option<Conditions> {
        self.read(RUN)
    }

    /// What a part measured, if its figures are here.
    pub(super) fn read<T: serde::de::DeserializeOwned>(&self, name: &str) -> Option<T> {
        let text = fs::read_to_string(self.file(name)).ok()?;
        serde_json::from_str(&text).ok()
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.json"))
    }

    pub(super) fn write(&self, name: &str, text: &str) -> Result<PathBuf, Error> {
        let file = self.file(name);
        fs::write(&file, text).doing("write down figures")?;
        Ok(file)
    }
}

fn conditions(workspace: &Workspace) -> Result<Conditions, Error> {
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.current_dir(&workspace.root).args(arguments);
        run::output(&mut git)
    };
    let changed = !git(&["status", "--porcelain", "--", "crates", "Cargo.lock"])?.is_empty();
    let commit = git(&["rev-parse", "--short=10", "HEAD"])?;
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let load = read("/proc/loadavg");
    let memory = read("/proc/meminfo");
    Ok(Conditions {
        day: run::output(Command::new("date").args(["-u", "+%F"]))?
            .trim()
            .to_owned(),
        commit: commit.trim().to_owned() + if changed { "+" } else { "" },
        processor: member(&cpu, "model name").unwrap_or("unknown").to_owned(),
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        memory: kib(&memory).div_ceil(1 << 20),
        load: load
            .split(' ')
            .next()
            .and_then(|load| load.parse().ok())
            .unwrap_or_default(),
        versions: versions(workspace)?,
    })
}

/// The value of a line `name : value`.
fn member<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let found = lines.find(|(own, _)| own.trim() == name);
    found.map(|(_, value)| value.trim())
}

fn kib(memory: &str) -> u64 {
    let total = member(memory, "MemTotal").and_then(|total| total.split(' ').next());
    total
        .and_then(|total| total.parse().ok())
        .unwrap_or_default()
}

/// The crates whose versions are named, in our lock file and in that of the peers.
const CRATES: [&str; 8] = [
    "actix-web",
    "aws-lc-rs",
    "axum",
    "jsonwebtoken",
    "jwt-simple",
    "redis",
    "sqlx",
    "tokio",
];
const PEERS: [&str; 5] = [
    "actix-session",
    "axum-login",
    "tower-sessions",
    "tower-sessions-redis-store",
    "tower-sessions-sqlx-store",
];
/// The packages of npm whose versions are named.
const PACKAGES: [&str; 4] = ["express", "express-session", "fast-jwt", "fastify"];

fn versions(workspace: &Workspace) -> Result<BTreeMap<String, String>, Error> {
    let peers = peers::folder(workspace);
    let mut versions = BTreeMap::new();
    for (folder, names) in [(&workspace.root, &CRATES[..]), (&peers, &PEERS[..])] {
        let lock = fs::read_to_string(folder.join("Cargo.lock")).doing("read Cargo.lock")?;
        let locked = locked(&lock);
        for name in names {
            let all = locked.iter().filter(|(own, _)| own == name);
            let all: Vec<&str> = all.map(|(_, version)| *version).collect();
            versions.insert((*name).to_owned(), all.join(" and "));
        }
    }
    let lock = fs::read_to_string(peers.join("node/package-lock.json"));
    let lock: Value =
        serde_json::from_str(&lock.doing("read package-lock.json")?).unwrap_or_default();
    for name in PACKAGES {
        let version = lock.pointer(&format!("/packages/node_modules~1{name}/version"));
        let version = version.and_then(Value::as_str).unwrap_or("unknown");
        versions.insert(name.to_owned(), version.to_owned());
    }
    // Which program says it, and which word of its first line it is.
    for (name, program, arguments, place) in [
        ("Linux", "uname", "-r", 0),
        ("Node.js", "node", "--version", 0),
        ("PostgreSQL", "psql", "--version", 2),
        ("Redis", "redis-server", "--version", 2),
        ("Rust", "rustc", "--version", 1),
    ] {
        versions
            .extend(version(program, arguments, place).map(|version| (name.to_owned(), version)));
    }
    Ok(versions)
}

fn version(program: &str, argument: &str, place: usize) -> Option<String> {
    run::find(program)?;
    let printed = run::output(Command::new(program).arg(argument)).ok()?;
    let word = printed.split_whitespace().nth(place)?;
    Some(
        word.trim_start_matches("v=")
            .trim_start_matches('v')
            .to_owned(),
    )
}

/// The packages of a lock file with their versions.
fn locked(lock: &str) -> Vec<(&str, &str)> {
    fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
        let value = line.strip_prefix(key)?.strip_prefix(" = \"")?;
        value.strip_suffix('"')
    }
    let pairs = lock.lines().zip(lock.lines().skip(1));
    let pairs = pairs
        .filter_map(|(name, version)| Some((value(name, "name")?, value(version, "version")?)));
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_the_lock_file() {
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"a\"\nversion = \"2.0.0\"\n";
        assert_eq!(locked(lock), [("a", "1.0.0"), ("a", "2.0.0")]);
        assert_eq!(
            member("x : 1\nmodel name\t: Z 2\n", "model name"),
            Some("Z 2")
        );
        assert_eq!(kib("MemTotal:       24000 kB\n"), 24000);
    }
}
