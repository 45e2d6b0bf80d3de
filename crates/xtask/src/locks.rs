//! The lock file of the peers of `crates/bench`. The frameworks must have the same versions there as in
//! ours; if not, servers with different frameworks would be compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::error::{Doing, Error};
use crate::pattern;
use crate::workspace::Workspace;

/// The crates that handle a request on both sides. `*` at the end of a name stands for any ending.
const FRAMEWORKS: &[&str] = &[
    "actix-*",
    "axum",
    "axum-core",
    "bytes",
    "futures-*",
    "http",
    "http-body*",
    "httparse",
    "hyper*",
    "matchit",
    "mio",
    "serde",
    "serde_core",
    "serde_json",
    "tokio",
    "tower",
    "tower-layer",
    "tower-service",
];

type Versions = BTreeMap<String, BTreeSet<String>>;

/// Every framework whose version in our lock file is not in that of the peers.
pub(crate) fn faults(workspace: &Workspace) -> Result<Vec<String>, Error> {
    let root = &workspace.root;
    let read = |file: &str| {
        let file = root.join(file);
        let text = fs::read_to_string(&file).doing(format!("read {}", file.display()))?;
        Ok(versions(&text))
    };
    let (ours, peers) = (read("Cargo.lock")?, read("crates/bench/peers/Cargo.lock")?);
    Ok(differences(&ours, &peers))
}

fn differences(ours: &Versions, peers: &Versions) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, versions) in ours {
        let framework = FRAMEWORKS
            .iter()
            .any(|pattern| pattern::matches(pattern, name));
        let Some(theirs) = peers.get(name).filter(|_| framework) else {
            continue;
        };
        for version in versions.difference(theirs) {
            faults.push(format!(
                "the peers of crates/bench lack {name} {version}; in crates/bench/peers run \
                 `cargo update -p {name} --precise {version}`"
            ));
        }
    }
    faults
}

/// The packages of a lock file: the name of each is on one line, and its version on the next.
fn versions(lock: &str) -> Versions {
    let mut versions = Versions::new();
    let value = |line: &str, key: &str| {
        let value = line.strip_prefix(key)?.strip_prefix(" = \"")?;
        Some(value.strip_suffix('"')?.to_owned())
    };
    let mut name = None;
    for line in lock.lines() {
        if let Some(version) = value(line, "version")
            && let Some(name) = name.take()
        {
            versions.entry(name).or_default().insert(version);
        } else {
            name = value(line, "name");
        }
    }
    versions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(packages: &[(&str, &str)]) -> Versions {
        let package = |(name, version): &(&str, &str)| {
            format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = \"x\"\n\n")
        };
        versions(&packages.iter().map(package).collect::<String>())
    }

    #[test]
    fn a_framework_in_another_version_is_a_fault_and_any_other_crate_is_none() {
        let ours = lock(&[("axum", "0.8.9"), ("hyper", "1.2.0"), ("redis", "1.0.0")]);
        let same = lock(&[("axum", "0.7.9"), ("axum", "0.8.9"), ("redis", "0.9.0")]);
        assert_eq!(differences(&ours, &same), [] as [&str; 0]);
        let older = lock(&[("axum", "0.7.9"), ("axum", "0.8.8"), ("hyper", "1.2.0")]);
        let faults = differences(&ours, &older);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].contains("lack axum 0.8.9"), "{faults:?}");
    }

    #[test]
    fn every_package_of_a_lock_is_read_with_all_its_versions() {
        let read = lock(&[("a", "1.0.0"), ("a", "2.0.0-rc.1+x"), ("b", "0.1.0")]);
        let versions: Vec<_> = read
            .iter()
            .map(|(name, all)| (&**name, all.len()))
            .collect();
        assert_eq!(versions, [("a", 2), ("b", 1)]);
    }
}
