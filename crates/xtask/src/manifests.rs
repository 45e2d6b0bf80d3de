//! The manifests of published crates: what a registry shows, and the versions that they ask for.

use std::collections::HashMap;

use serde_json::Value;

use crate::error::Error;
use crate::run;
use crate::workspace::{Package, Workspace};

/// The oldest compiler that compiles our own code, which has `let` chains.
const OWN: Version = (1, 88);

/// Crates whose own code needs a newer one, for the file locks of the standard library, and those that can
/// depend on `token-keys`.
const NEWER: (&[&str], Version) = (
    &["adapter-axum", "token-client", "token-http", "token-keys"],
    (1, 89),
);

type Version = (u32, u32);

/// Everything that is missing or wrong.
pub(crate) fn faults(workspace: &Workspace) -> Result<Vec<String>, Error> {
    let metadata = [
        "metadata",
        "--format-version=1",
        "--all-features",
        "--locked",
    ];
    let json = run::output(run::cargo().args(metadata))?;
    let json: Value = serde_json::from_str(&json).map_err(|_| Error::Metadata("JSON"))?;
    let packages = json.get("packages").and_then(Value::as_array);
    let packages = packages.ok_or(Error::Metadata("packages"))?;
    let mut oldest = HashMap::new();
    for package in packages {
        oldest.insert(text(package, "id"), rust_version(package));
    }
    let mut faults = Vec::new();
    for own in workspace
        .packages
        .iter()
        .filter(|package| package.published)
    {
        let named = packages.iter().find(|package| {
            text(package, "name") == own.name && package.get("source").is_none_or(Value::is_null)
        });
        let described = named.ok_or(Error::Metadata("published package"))?;
        faults.extend(described_faults(own, described));
        faults.extend(lockstep_faults(workspace, own, described));
        let code = if NEWER.0.contains(&&*own.name) {
            NEWER.1
        } else {
            OWN
        };
        let wanted = highest(own, packages)?.max(code);
        faults.extend(version_fault(&own.name, rust_version(described), wanted));
    }
    Ok(faults)
}

/// The members that a registry shows and that are missing.
fn described_faults(own: &Package, described: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for member in ["description", "license", "repository", "readme"] {
        if text(described, member).is_empty() {
            faults.push(format!("{} has no `{member}`", own.name));
        }
    }
    for (member, most) in [("keywords", 5), ("categories", 5)] {
        let count = described
            .get(member)
            .and_then(Value::as_array)
            .map_or(0, Vec::len);
        if count == 0 || count > most {
            faults.push(format!(
                "{} has {count} `{member}`; give one to {most}",
                own.name
            ));
        }
    }
    if described.pointer("/metadata/docs/rs/all-features") != Some(&Value::Bool(true)) {
        faults.push(format!(
            "{} lacks `[package.metadata.docs.rs] all-features = true`",
            own.name
        ));
    }
    for file in ["LICENSE-APACHE", "LICENSE-MIT"] {
        if !own.folder.join(file).exists() {
            faults.push(format!(
                "{} lacks {file}, a link to that of the project",
                own.name
            ));
        }
    }
    faults
}

/// Every dependency inside the workspace that does not ask for exactly the one version of all crates.
fn lockstep_faults(workspace: &Workspace, own: &Package, described: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let version = text(described, "version");
    let wanted = format!("={version}");
    let dependencies = described.get("dependencies").and_then(Value::as_array);
    for dependency in dependencies.into_iter().flatten() {
        let name = text(dependency, "name");
        let inside = workspace
            .packages
            .iter()
            .any(|package| package.name == name);
        let is_test = text(dependency, "kind") == "dev";
        let asked = text(dependency, "req");
        if inside && !is_test && asked != wanted {
            faults.push(format!(
                "{} {version} asks for {name} {asked}; write {wanted}: they are released together",
                own.name
            ));
        }
    }
    faults
}

/// The newest compiler that a dependency of a package asks for, if all features of the package are
/// enabled. Features that only other packages enable do not count.
fn highest(own: &Package, packages: &[Value]) -> Result<Version, Error> {
    let tree = run::output(run::cargo().args([
        "tree",
        "--edges=normal,build",
        "--all-features",
        "--prefix=none",
        "--format={p}",
        "--locked",
        "--quiet",
        "--package",
        &own.name,
    ]))?;
    let mut highest = (0, 0);
    for line in tree.lines() {
        let mut words = line.split(' ');
        let (name, version) = (words.next().unwrap_or_default(), words.next());
        let version = version.and_then(|version| version.strip_prefix('v'));
        let found = packages.iter().find(|package| {
            text(package, "name") == name && Some(text(package, "version")) == version
        });
        // If it is a crate of the workspace, its dependencies are in this list too.
        if let Some(found) = found.filter(|found| found.get("source").is_some_and(Value::is_string))
        {
            highest = highest.max(rust_version(found));
        }
    }
    Ok(highest)
}

fn version_fault(name: &str, has: Version, wanted: Version) -> Option<String> {
    (has != wanted).then(|| {
        format!(
            "{name} has rust-version {}.{}, and its dependencies ask for {}.{}",
            has.0, has.1, wanted.0, wanted.1
        )
    })
}

/// The oldest compiler that a package asks for; (0, 0) if it asks for none.
fn rust_version(package: &Value) -> Version {
    let mut numbers = text(package, "rust_version").split('.').map(str::parse);
    let mut next = || numbers.next().and_then(Result::ok).unwrap_or(0);
    (next(), next())
}

fn text<'a>(json: &'a Value, member: &str) -> &'a str {
    json.get(member).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn own() -> Package {
        Package {
            name: "token-core".to_owned(),
            folder: "nowhere".into(),
            published: true,
            features: Vec::new(),
            dependencies: Vec::new(),
            all_dependencies: Vec::new(),
            uses_testbed: false,
        }
    }

    #[test]
    fn whatever_a_registry_page_lacks_is_a_fault() {
        let complete = json!({
            "description": "d", "license": "MIT", "repository": "r", "readme": "README.md",
            "keywords": ["a"], "categories": ["b"], "metadata": { "docs": { "rs": { "all-features": true } } },
        });
        // The two licences are not there.
        assert_eq!(described_faults(&own(), &complete).len(), 2);
        assert_eq!(described_faults(&own(), &json!({})).len(), 9);
        let mut many = complete;
        many["keywords"] = json!(["a", "b", "c", "d", "e", "f"]);
        assert_eq!(described_faults(&own(), &many).len(), 3);
    }

    #[test]
    fn a_range_of_versions_within_the_project_is_a_fault() {
        let workspace = Workspace {
            root: "".into(),
            target: "".into(),
            packages: vec![own()],
        };
        let asks = |req: &str, kind: Value| {
            let dependency = json!({ "name": "token-core", "req": req, "kind": kind });
            let package = json!({ "version": "0.1.0", "dependencies": [dependency] });
            lockstep_faults(&workspace, &own(), &package).len()
        };
        assert_eq!(asks("=0.1.0", Value::Null), 0);
        assert_eq!(asks("^0.1.0", Value::Null), 1);
        assert_eq!(asks("*", json!("dev")), 0);
    }

    #[test]
    fn another_compiler_than_that_of_the_dependencies_is_a_fault() {
        let version = |text: &str| rust_version(&json!({ "rust_version": text }));
        assert_eq!(version("1.88.0"), (1, 88));
        assert_eq!(version("1.9"), (1, 9));
        assert_eq!(rust_version(&json!({ "rust_version": null })), (0, 0));
        assert_eq!(version_fault("a", (1, 88), (1, 88)), None);
        assert!(version_fault("a", (1, 88), (1, 94)).is_some());
        assert!(version_fault("a", (1, 94), (1, 88)).is_some());
    }
}
