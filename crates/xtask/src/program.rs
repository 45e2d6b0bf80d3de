//! The programs that tests need.

use std::path::PathBuf;

/// A program that tests need, with its names.
#[derive(Debug)]
pub(crate) struct Program {
    /// The name of the product, for messages.
    pub(crate) name: &'static str,
    /// The Debian package that contains it.
    pub(crate) package: &'static str,
    /// File names, the preferred one first.
    pub(crate) files: &'static [&'static str],
    /// Further folders to look in, if it is not on PATH.
    pub(crate) elsewhere: fn() -> Vec<PathBuf>,
    /// The variable that names a running server, if there is one.
    pub(crate) variable: Option<&'static str>,
}

impl Program {
    /// What to do instead, for an error message.
    pub(crate) fn otherwise(&self) -> String {
        self.variable
            .map(|variable| format!(", or set {variable}"))
            .unwrap_or_default()
    }
}
