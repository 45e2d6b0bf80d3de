//! How long it takes to build a program with our crates and with the peers, how many crates that are, and
//! the size of the program.
//!
//! Each is built from nothing into a folder of its own, without symbols. If aws-lc-sys is among its crates,
//! which is C and takes as long as all the rest, everything else is built once more.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use figures::builds::{self, Built, Crates};
use serde_json::{Value, json};

use super::conditions::Folder;
use super::peers;
use crate::error::{Doing, Error};
use crate::run;
use crate::workspace::Workspace;

/// The smallest programs that answer `/api/me`, each with the one that lacks the check.
const PROGRAMS: [(&str, &str); 9] = [
    ("axum-bare", "axum-bare"),
    ("axum-hallpass", "axum-bare"),
    ("axum-tower-sessions", "axum-bare"),
    ("axum-tower-sessions-redis", "axum-bare"),
    ("axum-axum-login", "axum-bare"),
    ("axum-jwt-authorizer", "axum-bare"),
    ("actix-bare", "actix-bare"),
    ("actix-hallpass", "actix-bare"),
    ("actix-actix-session", "actix-bare"),
];

/// The crate of ours whose build time is promised.
const CORE: &str = "token-core";

/// The crate that compiles C.
const C: &str = "aws-lc-sys";

/// Builds the programs whose names begin with `only`, and prints a table of all that were measured in this
/// target folder.
pub(super) fn measure(
    workspace: &Workspace,
    kept: &Folder,
    only: &str,
    rounds: usize,
) -> Result<(), Error> {
    let mut figures: HashMap<String, Value> = kept.read("build").unwrap_or_default();
    let folder = peers::folder(workspace);
    run::run(run::cargo().arg("fetch").current_dir(&folder))?;
    let programs = PROGRAMS.map(|(name, _)| (name, folder.as_path(), true));
    // With the profile of tests, and with that of users.
    let core = [true, false].map(|release| (CORE, workspace.root.as_path(), release));
    for (name, folder, release) in core.into_iter().chain(programs) {
        if !name.starts_with(only) {
            continue;
        }
        let target = workspace.target.join("bench/build");
        let subject = Subject {
            name,
            folder,
            release,
            target,
        };
        let measured = subject.measure(rounds)?;
        figures.insert(subject.row(), measured);
    }
    let text = serde_json::to_string_pretty(&figures).unwrap_or_default();
    kept.write("build", &text)?;
    let built = built(&figures);
    let text = serde_json::to_string_pretty(&built).unwrap_or_default();
    kept.write("builds", &text)?;
    print(&builds::table(&built));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the table is what this is for")]
fn print(table: &str) {
    println!("{table}");
}

/// A program to build.
struct Subject<'a> {
    name: &'static str,
    /// Its workspace.
    folder: &'a Path,
    release: bool,
    target: PathBuf,
}

impl Subject<'_> {
    fn row(&self) -> String {
        let suffix = if self.release { "" } else { ", debug" };
        format!("{}{suffix}", self.name)
    }

    fn measure(&self, rounds: usize) -> Result<Value, Error> {
        let crates = self.crates(self.name, "normal,build")?;
        let linked = self.crates(self.name, "normal")?;
        let c = crates
            .iter()
            .find(|spec| spec.starts_with(&format!("{C}@")));
        let kept = c.map(|c| self.crates(c, "normal,build")).transpose()?;
        let (mut whole, mut rest) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            if self.target.exists() {
                fs::remove_dir_all(&self.target).doing("remove a folder of builds")?;
            }
            whole.push(self.build()?);
            if let Some(kept) = &kept {
                let mut clean = peers::cargo(self.folder, &self.target, "clean");
                clean.args(self.release.then_some("--release"));
                for spec in crates.difference(kept) {
                    clean.args(["--package", spec]);
                }
                run::run(&mut clean)?;
                rest.push(self.build()?);
            }
        }
        let program = self.target.join("release").join(self.name);
        let bytes = fs::metadata(program).map(|program| program.len()).ok();
        fs::remove_dir_all(&self.target).doing("remove a folder of builds")?;
        Ok(
            json!({ "crates": crates, "linked": linked, "seconds": whole, "rest": rest, "bytes": bytes }),
        )
    }

    /// Builds it, and returns the seconds.
    fn build(&self) -> Result<f64, Error> {
        let mut build = peers::cargo(self.folder, &self.target, "build");
        build.args(["--package", self.name]);
        build.args(self.release.then_some("--release"));
        let start = Instant::now();
        run::run(&mut build)?;
        Ok(start.elapsed().as_secs_f64())
    }

    /// The dependencies of a package and itself, by edges of these kinds, with the features of this
    /// package alone.
    fn crates(&self, below: &str, edges: &str) -> Result<BTreeSet<String>, Error> {
        let mut tree = run::cargo();
        tree.arg("tree").current_dir(self.folder);
        tree.args(["--package", below, "--edges", edges]);
        tree.args(["--prefix=none", "--format={p}", "--quiet"]);
        Ok(run::output(&mut tree)?.lines().filter_map(spec).collect())
    }
}

/// Turns `name v1.2.3 …` into a package id for cargo, `name@1.2.3`.
fn spec(line: &str) -> Option<String> {
    let mut words = line.split(' ');
    let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
    Some(format!("{name}@{version}"))
}

/// What the book says of everything that was measured.
fn built(figures: &HashMap<String, Value>) -> Vec<Built> {
    let mut all = Vec::new();
    for (name, bare) in PROGRAMS {
        let (Some(own), Some(bare)) = (figures.get(name), figures.get(bare)) else {
            continue;
        };
        let compared = own != bare;
        all.push(Built {
            gained: compared.then(|| counts(|member| difference(own, bare, member))),
            kib: Some(kib(own)),
            gained_kib: compared.then(|| kib(own) - kib(bare)),
            ..row(name, own)
        });
    }
    for name in [CORE.to_owned(), format!("{CORE}, debug")] {
        all.extend(figures.get(&name).map(|own| row(&name, own)));
    }
    all
}

fn row(name: &str, own: &Value) -> Built {
    Built {
        name: name.to_owned(),
        crates: counts(|member| crates(own, member).len()),
        seconds: numbers(own, "seconds"),
        rest: numbers(own, "rest"),
        ..Built::default()
    }
}

fn counts(of: impl Fn(&str) -> usize) -> Crates {
    Crates {
        all: of("crates"),
        linked: of("linked"),
    }
}

/// The crates in a member of a program's figures, which include itself.
fn crates<'a>(row: &'a Value, member: &str) -> BTreeSet<&'a str> {
    let crates = row.get(member).and_then(Value::as_array);
    let crates = crates.into_iter().flatten();
    crates.filter_map(Value::as_str).collect()
}

/// How many crates a program has that another lacks, without itself.
fn difference(own: &Value, bare: &Value, member: &str) -> usize {
    let (own, bare) = (crates(own, member), crates(bare, member));
    own.difference(&bare).count().saturating_sub(1)
}

fn kib(row: &Value) -> i64 {
    row.get("bytes").and_then(Value::as_i64).unwrap_or_default() / 1024
}

fn numbers(row: &Value, member: &str) -> Vec<f64> {
    let numbers = row.get(member).and_then(Value::as_array);
    let numbers = numbers.into_iter().flatten();
    numbers.filter_map(Value::as_f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_tree_becomes_a_package_for_cargo() {
        let line = "token-core v0.1.0 (/x/crates/token-core) (*)";
        assert_eq!(spec(line).as_deref(), Some("token-core@0.1.0"));
        assert_eq!(spec(""), None);
    }

    #[test]
    fn a_program_gains_the_crates_that_the_bare_one_lacks_and_not_itself() {
        let row = |crates: &[&str], linked: &[&str], bytes: u64, rest: &[f64]| {
            json!({
                "crates": crates, "linked": linked, "seconds": [9.0, 8.0, 10.0], "rest": rest,
                "bytes": bytes,
            })
        };
        let bare = ["a@1", "axum-bare@0"];
        let own = ["a@1", "axum-hallpass@0", "b@1", "b@2"];
        let figures = HashMap::from([
            ("axum-bare".to_owned(), row(&bare, &bare, 2048, &[])),
            (
                "axum-hallpass".to_owned(),
                row(&own, &own[..3], 5120, &[4.0]),
            ),
        ]);
        let built = built(&figures);
        let gained = built.iter().map(|built| built.gained).collect::<Vec<_>>();
        assert_eq!(gained, [None, Some(Crates { all: 2, linked: 1 })]);
        assert_eq!(built[1].crates, Crates { all: 4, linked: 3 });
        assert_eq!((built[1].kib, built[1].gained_kib), (Some(5), Some(3)));
        assert_eq!(built[1].rest.len(), 1);
    }
}
