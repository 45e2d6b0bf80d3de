//! The workspace, as `cargo metadata` describes it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use crate::error::Error;
use crate::run;

/// The workspace, without its external dependencies.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) packages: Vec<Package>,
}

/// One package of the workspace.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    /// Whether it may be published.
    pub(crate) published: bool,
    pub(crate) features: Vec<String>,
    /// Its dependencies, without those of builds and tests.
    pub(crate) dependencies: Vec<String>,
    /// The same with them.
    pub(crate) all_dependencies: Vec<String>,
    /// Whether it or its tests use the private servers of `testbed`.
    pub(crate) uses_testbed: bool,
}

impl Workspace {
    /// Asks cargo.
    pub(crate) fn read() -> Result<Self, Error> {
        let json = run::output(run::cargo().args(["metadata", "--no-deps", "--format-version=1"]))?;
        let json: Value = serde_json::from_str(&json).map_err(|_| Error::Metadata("JSON"))?;
        let packages = array(&json, "packages")?.iter().map(package);
        Ok(Self {
            root: text(&json, "workspace_root")?.into(),
            target: text(&json, "target_directory")?.into(),
            packages: packages.collect::<Result<_, _>>()?,
        })
    }

    /// Whether there is a package of this name, and if a feature is named, whether it has that.
    pub(crate) fn has(&self, name: &str, feature: Option<&str>) -> bool {
        self.packages.iter().any(|package| {
            package.name == name
                && feature.is_none_or(|feature| package.features.iter().any(|f| f == feature))
        })
    }

    /// These packages, and those of the workspace that they and their tests use.
    pub(crate) fn needed_by(&self, names: &BTreeSet<String>) -> BTreeSet<String> {
        let mut needed = names.clone();
        loop {
            let known = needed.len();
            for package in &self.packages {
                if needed.contains(&package.name) {
                    let all = package.all_dependencies.iter().cloned();
                    needed.extend(all.filter(|name| self.has(name, None)));
                }
            }
            if needed.len() == known {
                return needed;
            }
        }
    }
}

fn package(json: &Value) -> Result<Package, Error> {
    let mut dependencies = Vec::new();
    let mut all_dependencies = Vec::new();
    let mut uses_testbed = false;
    for dependency in array(json, "dependencies")? {
        uses_testbed |= text(dependency, "name")? == "testbed";
        all_dependencies.push(text(dependency, "name")?);
        if dependency.get("kind").is_none_or(Value::is_null) {
            dependencies.push(text(dependency, "name")?);
        }
    }
    let mut folder = PathBuf::from(text(json, "manifest_path")?);
    folder.pop();
    let features = json.get("features").and_then(Value::as_object);
    Ok(Package {
        name: text(json, "name")?,
        folder,
        published: json.get("publish").is_none_or(Value::is_null),
        features: features
            .ok_or(Error::Metadata("features"))?
            .keys()
            .cloned()
            .collect(),
        dependencies,
        all_dependencies,
        uses_testbed,
    })
}

fn text(json: &Value, member: &'static str) -> Result<String, Error> {
    let value = json.get(member).and_then(Value::as_str);
    value.map(str::to_owned).ok_or(Error::Metadata(member))
}

fn array<'a>(json: &'a Value, member: &'static str) -> Result<&'a [Value], Error> {
    let value = json.get(member).and_then(Value::as_array);
    value.map(Vec::as_slice).ok_or(Error::Metadata(member))
}
