//! Programs that tests need.

use std::path::PathBuf;

/// A program that tests need, under the names that it has.
#[derive(Debug)]
pub(crate) struct Program {
    /// What a person calls it.
    pub(crate) name: &'static str,
    /// The Debian package that has it.
    pub(crate) package: &'static str,
    /// File names, the preferred one first.
    pub(crate) files: &'static [&'static str],
    /// Where it is looked for beside PATH.
    pub(crate) elsewhere: fn() -> Vec<PathBuf>,
    /// The variable that names a running server instead, where there is one.
    pub(crate) variable: Option<&'static str>,
}

impl Program {
    /// What else would do, for an error message.
    pub(crate) fn otherwise(&self) -> String {
        self.variable
            .map(|variable| format!(", or set {variable}"))
            .unwrap_or_default()
    }
}
