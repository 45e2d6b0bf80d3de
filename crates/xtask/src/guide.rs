//! The guide begins with a whole program. It is the example that the tests start.

use std::fs;

use crate::error::{Doing as _, Error};
use crate::workspace::Workspace;

const PAGE: &str = "docs/guide.md";
const PROGRAM: &str = "examples/quick-start/examples/server.rs";

/// A fault if the page does not show the program as it is.
pub(crate) fn faults(workspace: &Workspace) -> Result<Vec<String>, Error> {
    let read =
        |name: &str| fs::read_to_string(workspace.root.join(name)).doing(format!("read {name}"));
    let block = format!("```rust,ignore\n{}```\n", read(PROGRAM)?);
    Ok(if read(PAGE)?.contains(&block) {
        Vec::new()
    } else {
        vec![format!("{PAGE} does not show {PROGRAM} as it is")]
    })
}
