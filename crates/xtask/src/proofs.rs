//! The examples of logins by other proofs than a password, of an MCP server, of a function, and of applications that
//! have moved here.
//! Each is a workspace of its own, since it brings dependencies, such as implementations of cryptography, that ours
//! does without.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::browser;
use crate::error::{Doing as _, Error};
use crate::npm;
use crate::python;
use crate::run;
use crate::services;
use crate::source::{Source, files};
use crate::tools;
use crate::workspace::Workspace;

const FOLDERS: [&str; 5] = [
    "examples/lambda",
    "examples/mcp",
    "examples/oidc-login",
    "examples/passkey",
    "examples/totp",
];

/// Applications before and after they have moved here.
const MOVED: [&str; 4] = [
    "examples/from-actix-session",
    "examples/from-axum-login",
    "examples/from-django",
    "examples/from-jsonwebtoken",
];

/// The variable that names the Python with Django.
const DJANGO: &str = "HALLPASS_TEST_DJANGO";

/// Each is to be read, and copied, as a whole: it has fewer lines of code than this, beside its pages.
const LINES: usize = 150;

/// The folders of the examples, without the applications that have moved.
pub(crate) fn folders(workspace: &Workspace) -> impl Iterator<Item = PathBuf> {
    let root = workspace.root.clone();
    FOLDERS.iter().map(move |folder| root.join(folder))
}

/// Checks and tests each. If one fails, the others are still tested.
pub(crate) fn test(workspace: &Workspace) -> Result<(), Error> {
    browser::ready(workspace)?;
    for example in ["mcp", "oidc-login"] {
        let provider = workspace.root.join("examples").join(example);
        npm::install(&provider.join("tests"))?;
    }
    let requirements = workspace
        .root
        .join("examples/from-django/before/requirements.txt");
    let django = python::environment(&workspace.target.join("python/django"), &requirements)?;
    let services = services::start(workspace)?;
    let mut variables: Vec<(&str, OsString)> = services
        .variables()
        .map(|(name, url)| (name, url.into()))
        .collect();
    variables.push((DJANGO, django.join("python").into()));
    let mut done = Ok(());
    let moved = MOVED.iter().map(|folder| workspace.root.join(folder));
    for folder in folders(workspace).chain(moved) {
        done = done.and(one(workspace, &folder, &variables));
    }
    done
}

/// Clippy compiles the example for the tests, and so it looks at it without building all dependencies once more.
/// What it denies is in the manifest.
fn one(workspace: &Workspace, folder: &Path, variables: &[(&str, OsString)]) -> Result<(), Error> {
    run::run(within(workspace, folder, run::cargo()).args(["fmt", "--check"]))?;
    tools::deny_in(workspace, folder)?;
    let mut tests = within(workspace, folder, run::command(&tools::nextest(workspace)?));
    tests.env("RUSTC_WORKSPACE_WRAPPER", "clippy-driver");
    tests.envs(variables.iter().map(|(name, value)| (name, value)));
    run::run(tests.args(["nextest", "run", "--locked", "--no-fail-fast"]))
}

/// The command in this folder, with the target folder of our own workspace: most dependencies are built there
/// already, with the same features.
fn within(workspace: &Workspace, folder: &Path, mut command: Command) -> Command {
    command.current_dir(folder);
    command.env("CARGO_TARGET_DIR", &workspace.target);
    command
}

/// The pages that walk through the examples.
const PAGES: [&str; 3] = ["docs/lambda.md", "docs/mcp.md", "docs/proofs.md"];

/// The page that walks through each application which has moved: in the order of [`MOVED`].
const MOVES: [&str; 4] = [
    "docs/from-actix-session.md",
    "docs/from-axum-login.md",
    "docs/from-django.md",
    "docs/from-jwt.md",
];

/// Every example that is too long, and every line that a page shows and no example has.
pub(crate) fn faults(workspace: &Workspace) -> Result<Vec<String>, Error> {
    let mut faults = Vec::new();
    let mut all = String::new();
    for folder in folders(workspace) {
        let mut lines = 0;
        for file in files(&folder.join("src"), "rs")? {
            lines += Source::read(&file)?.lines;
            all += &fs::read_to_string(&file).doing(format!("read {}", file.display()))?;
        }
        if lines >= LINES {
            let name = folder.strip_prefix(&workspace.root).unwrap_or(&folder);
            faults.push(format!(
                "{} has {lines} lines of code, fewer than {LINES} are promised",
                name.display()
            ));
        }
    }
    for page in PAGES {
        let text = fs::read_to_string(workspace.root.join(page)).doing(format!("read {page}"))?;
        faults.extend(shown(page, &text, &all));
    }
    for (page, folder) in MOVES.iter().zip(MOVED) {
        let folder = workspace.root.join(folder);
        let text = fs::read_to_string(workspace.root.join(page)).doing(format!("read {page}"))?;
        let (mut before, mut after) = (String::new(), String::new());
        for file in files(&folder.join("src"), "rs")? {
            let source = fs::read_to_string(&file).doing(format!("read {}", file.display()))?;
            // Any other file is of both.
            if !file.ends_with("after.rs") {
                before += &source;
            }
            if !file.ends_with("before.rs") {
                after += &source;
            }
        }
        after += &fs::read_to_string(folder.join("Cargo.toml")).doing("read a manifest")?;
        faults.extend(shown(page, &text, &after));
        faults.extend(changed(page, &text, &before, &after));
    }
    Ok(faults)
}

/// A line without its comment.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or_default().trim()
}

/// The lines of the blocks of this language on a page.
fn lines<'a>(text: &'a str, language: &str) -> impl Iterator<Item = &'a str> {
    let blocks: Vec<_> = text.split(&format!("```{language}\n")).skip(1).collect();
    let blocks = blocks.into_iter();
    blocks.flat_map(|block| block.lines().take_while(|line| *line != "```"))
}

/// The lines of code on a page that are not in the source. `// …` stands for what is left out.
fn shown(page: &str, text: &str, source: &str) -> Vec<String> {
    let known: HashSet<&str> = source.lines().map(code).collect();
    let unknown = lines(text, "rust,ignore").filter(|line| !known.contains(code(line)));
    unknown
        .map(|line| format!("{page} shows `{}`, which is in no example", line.trim()))
        .collect()
}

/// The lines that a page removes and that were not there before, and those that it adds and that are not there after.
fn changed(page: &str, text: &str, before: &str, after: &str) -> Vec<String> {
    let known =
        |source: &'static str, text| (source, str::lines(text).map(code).collect::<HashSet<_>>());
    let (before, after): ((_, HashSet<&str>), (_, HashSet<&str>)) =
        (known("before", before), known("after", after));
    let mut faults = Vec::new();
    for line in lines(text, "diff") {
        let sources: &[_] = match line.as_bytes().first() {
            Some(b'-') => &[&before],
            Some(b'+') => &[&after],
            _ => &[&before, &after],
        };
        let line = code(line.get(1..).unwrap_or_default());
        for (name, known) in sources {
            if !known.contains(line) {
                faults.push(format!(
                    "{page} shows `{line}`, which is not in the program {name} the move"
                ));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_no_example_has_is_a_fault() {
        let page =
            "```rust\nother\n```\n```rust,ignore\na();\n// …\n    b(); // why\nc();\n```\nc\n";
        let faults = shown(
            "a.md",
            page,
            "fn f() {\n    a(); // because\n\n    b();\n}\n",
        );
        assert_eq!(faults, ["a.md shows `c();`, which is in no example"]);
    }

    #[test]
    fn a_removed_line_was_there_before_and_an_added_one_is_there_after() {
        let page =
            "```diff\n fn f() {\n-    old();\n+    new();\n+    old();\n }\n```\n- no code\n";
        let before = "fn f() {\n    old(); // why\n}\n";
        let faults = changed("a.md", page, before, "fn f() {\n    new();\n}\n");
        assert_eq!(
            faults,
            ["a.md shows `old();`, which is not in the program after the move"]
        );
    }
}
