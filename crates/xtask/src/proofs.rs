//! The examples of logins by other proofs than a password, of an MCP server, and of applications that have moved here.
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

const FOLDERS: [&str; 4] = [
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

/// The folders of the examples of other proofs.
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
const PAGES: [&str; 2] = ["docs/mcp.md", "docs/proofs.md"];

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
    Ok(faults)
}

/// The lines of code on a page that are not in the source. `// …` stands for what is left out.
fn shown(page: &str, text: &str, source: &str) -> Vec<String> {
    let code = |line: &str| {
        line.split("//")
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let known: HashSet<String> = source.lines().map(code).collect();
    let blocks = text.split("```rust,ignore\n").skip(1);
    let lines = blocks.flat_map(|block| block.lines().take_while(|line| *line != "```"));
    let unknown = lines.filter(|line| !known.contains(&code(line)));
    unknown
        .map(|line| format!("{page} shows `{}`, which is in no example", line.trim()))
        .collect()
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
}
