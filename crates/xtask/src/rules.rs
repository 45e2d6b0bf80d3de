//! The rules of the project that can be checked without building anything.

use crate::bench;
use crate::circles;
use crate::error::Error;
use crate::guide;
use crate::lines;
use crate::links;
use crate::locks;
use crate::manifests;
use crate::proofs;
use crate::prose;
use crate::purity;
use crate::words;
use crate::workspace::Workspace;

/// A rule: its subject, and the function that finds violations.
type Rule = (&'static str, fn(&Workspace) -> Result<Vec<String>, Error>);

const RULES: [Rule; 12] = [
    (
        "dependencies between the crates, and of token-core",
        purity::faults,
    ),
    ("circles of files", circles::faults),
    ("how much there is to read", lines::line_faults),
    ("how much there is to copy", proofs::faults),
    ("how much there is to learn", lines::item_faults),
    ("the program that the guide shows", guide::faults),
    ("the manifests of published crates", manifests::faults),
    ("what the peers of the bench are built on", locks::faults),
    ("links of the documentation", links::faults),
    ("figures of the documentation", bench::docs::faults),
    ("words", words::faults),
    ("comments", prose::faults),
];

/// Checks all rules, and reports every fault.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Error> {
    let mut broken = Vec::new();
    for (what, faults) in RULES {
        let faults = faults(workspace)?;
        if faults.is_empty() {
            eprintln!("==> {what}: no fault");
        } else {
            broken.push(Error::Broken { what, faults }.to_string());
        }
    }
    if broken.is_empty() {
        Ok(())
    } else {
        let what = "rules of the project are broken";
        Err(Error::Broken {
            what,
            faults: broken,
        })
    }
}

/// Checks one rule, for a command of its own.
pub(crate) fn one(
    workspace: &Workspace,
    what: &'static str,
    faults: fn(&Workspace) -> Result<Vec<String>, Error>,
) -> Result<(), Error> {
    let faults = faults(workspace)?;
    if faults.is_empty() {
        eprintln!("==> {what}: no fault");
        Ok(())
    } else {
        Err(Error::Broken { what, faults })
    }
}
