//! The rules between the crates (docs/design.md): which may depend on which, and what the core may never
//! depend on.

use std::fs;
use std::path::Path;

use crate::error::{Doing, Error};
use crate::pattern::matches;
use crate::run;
use crate::source::files;
use crate::workspace::{Package, Workspace};

/// Which crates of the workspace each published crate may depend on. A name that ends in `*` stands for
/// all names with that beginning.
const ARROWS: &[(&str, &[&str])] = &[
    ("adapter-*", &["token-http", "token-session", "token-core"]),
    (
        "hallpass",
        &[
            "adapter-*",
            "store-*",
            "token-client",
            "token-core",
            "token-http",
            "token-keys",
            "token-password",
            "token-remote",
            "token-session",
        ],
    ),
    (
        "store-url",
        &["store-redis", "store-sql", "token-session", "token-core"],
    ),
    ("store-*", &["token-session", "token-core"]),
    ("token-client", &[]),
    ("token-core", &[]),
    (
        "token-http",
        &[
            "token-keys",
            "token-password",
            "token-remote",
            "token-session",
            "token-core",
        ],
    ),
    ("token-keys", &["token-session", "token-core"]),
    ("token-password", &["token-core"]),
    ("token-remote", &["token-session", "token-core"]),
    ("token-session", &["token-core"]),
];

/// The crates that `token-core` may depend on. None of them may bring a clock, a source of entropy, a
/// runtime or I/O into the core's own code.
const CORE_DEPENDENCIES: &[&str] = &[
    "aws-lc-rs",
    "base64-simd",
    "chrono",
    "curve25519-dalek",
    "jsonwebtoken",
    "memchr",
    "serde",
    "serde_json",
    "smallvec",
    "thiserror",
    "zeroize",
];

/// The crates that `token-core` may not depend on, not even indirectly.
const CORE_NEVER: &[&str] = &[
    "actix*",
    "async-*",
    "axum*",
    "futures*",
    "getrandom",
    "http",
    "hyper*",
    "iana-time-zone",
    "mio",
    "rand",
    "rand_*",
    "redis",
    "reqwest",
    "socket2",
    "sqlx*",
    "tokio*",
    "tower*",
    "tracing*",
];

/// Traits of sources of entropy and none of these sources: jsonwebtoken's `signature` brings them since 12.
const TRAITS_ALONE: &str = "rand_core";

/// What may not be in the core's own code, with the reason. It may be in comments and tests.
const CORE_WORDS: &[(&str, &str)] = &[
    (".await", "nothing in the core is async"),
    ("async fn", "nothing in the core is async"),
    ("async move", "nothing in the core is async"),
    ("Instant::now", "the time comes in as an argument"),
    ("Local::now", "the time comes in as an argument"),
    ("SystemTime::now", "the time comes in as an argument"),
    ("Utc::now", "the time comes in as an argument"),
    ("std::env", "configuration comes in as an argument"),
    ("std::fs", "the core has no I/O"),
    ("std::net", "the core has no I/O"),
    ("std::process", "the core has no I/O"),
    ("std::thread", "the core starts nothing"),
    ("println!", "the core has no I/O"),
];

/// Every dependency that is not allowed, and everything in the core that is not pure.
pub(crate) fn faults(workspace: &Workspace) -> Result<Vec<String>, Error> {
    let mut faults = arrow_faults(&workspace.packages);
    let core = workspace.packages.iter().find(|p| p.name == "token-core");
    let core = core.ok_or(Error::Metadata("package token-core"))?;
    faults.extend(dependency_faults(core)?);
    faults.extend(word_faults(&core.folder.join("src"))?);
    Ok(faults)
}

fn arrow_faults(packages: &[Package]) -> Vec<String> {
    let mut faults = Vec::new();
    for package in packages.iter().filter(|package| package.published) {
        let name = &package.name;
        let Some((_, allowed)) = ARROWS.iter().find(|(pattern, _)| matches(pattern, name)) else {
            faults.push(format!(
                "{name} has no line in ARROWS (crates/xtask/src/purity.rs); add one, or `publish = false`"
            ));
            continue;
        };
        let inside = |dependency: &&String| packages.iter().any(|p| p.name == **dependency);
        for dependency in package.dependencies.iter().filter(inside) {
            // If a crate depends on itself, it is for the features of its own tests.
            let is_allowed = allowed.iter().any(|pattern| matches(pattern, dependency));
            if dependency != name && !is_allowed {
                faults.push(format!(
                    "{name} depends on {dependency}, against the arrows of docs/design.md"
                ));
            }
        }
    }
    faults
}

fn dependency_faults(core: &Package) -> Result<Vec<String>, Error> {
    let mut faults = Vec::new();
    for dependency in &core.dependencies {
        if !CORE_DEPENDENCIES.contains(&dependency.as_str()) {
            faults.push(format!(
                "token-core depends on {dependency}, which is not on its list (crates/xtask/src/purity.rs)"
            ));
        }
    }
    // The features are those of this package alone; other packages may enable more.
    let tree = run::output(run::cargo().args([
        "tree",
        "--package=token-core",
        "--edges=normal",
        "--all-features",
        "--prefix=none",
        "--format={p}|{f}",
        "--quiet",
    ]))?;
    for line in tree.lines() {
        let mut columns = line.split('|');
        let name = columns.next().and_then(|p| p.split(' ').next());
        let features = columns.next().unwrap_or_default().trim_end_matches(" (*)");
        let name = name.unwrap_or_default();
        let never = CORE_NEVER.iter().any(|pattern| matches(pattern, name));
        if never && name != TRAITS_ALONE {
            faults.push(format!(
                "token-core reaches {name}; `cargo tree -p token-core -e normal -i {name}` shows how"
            ));
        }
        if name == "chrono" && features.split(',').any(|f| f == "clock" || f == "now") {
            faults.push("token-core has chrono with a clock in it; turn its feature off".into());
        }
    }
    faults.dedup();
    Ok(faults)
}

fn word_faults(folder: &Path) -> Result<Vec<String>, Error> {
    let mut faults = Vec::new();
    for file in files(folder, "rs")? {
        let text = fs::read_to_string(&file).doing(format!("read {}", file.display()))?;
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            // Tests are last in a file, and may do anything.
            if code.trim() == "#[cfg(test)]" {
                break;
            }
            for (word, reason) in CORE_WORDS.iter().filter(|(word, _)| code.contains(word)) {
                let (file, line) = (file.display(), number + 1);
                faults.push(format!("{file}:{line} says `{word}`: {reason}"));
            }
        }
    }
    Ok(faults)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn package(name: &str, dependencies: &[&str]) -> Package {
        Package {
            name: name.into(),
            folder: PathBuf::new(),
            published: true,
            features: Vec::new(),
            dependencies: dependencies.iter().map(|&name| name.into()).collect(),
            all_dependencies: Vec::new(),
            uses_testbed: false,
        }
    }

    #[test]
    fn an_arrow_that_points_back_is_a_fault() {
        let packages = [
            package("token-core", &[]),
            package("token-session", &["token-core", "store-sql"]),
            package("store-sql", &["token-session"]),
            package("adapter-axum", &["token-http", "store-sql"]),
            package("token-http", &["token-session", "http"]),
            package("hallpass", &["adapter-axum", "store-sql", "token-core"]),
        ];
        let faults = arrow_faults(&packages);
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].starts_with("token-session depends on store-sql"));
        assert!(faults[1].starts_with("adapter-axum depends on store-sql"));
    }

    #[test]
    fn a_crate_without_a_rule_is_a_fault() {
        assert_eq!(arrow_faults(&[package("token-extra", &[])]).len(), 1);
    }

    #[test]
    fn a_clock_in_the_code_is_a_fault_and_in_a_comment_or_a_test_it_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let text = "// Utc::now\nlet now = Utc::now();\n#[cfg(test)]\nmod t { async fn f() {} }\n";
        fs::write(folder.path().join("x.rs"), text).unwrap();
        let faults = word_faults(folder.path()).unwrap();
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].contains("x.rs:2 says `Utc::now`"));
    }
}
