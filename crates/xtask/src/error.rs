//! What can stop a task.

use std::io;
use std::process::ExitStatus;

use thiserror::Error;

use crate::install::Program;

/// Why a task failed, in words that say what to do.
#[derive(Debug, Error)]
pub(crate) enum Error {
    /// A command ran and failed; it has said why.
    #[error("`{command}` failed ({status})")]
    Failed { command: String, status: ExitStatus },
    /// Rules between the crates are broken.
    #[error("the crates break {} of their rules:\n  {}", .0.len(), .0.join("\n  "))]
    Impure(Vec<String>),
    /// The system would not do something.
    #[error("{doing}: {source}")]
    Io { doing: String, source: io::Error },
    /// The documentation names what is not there.
    #[error("the documentation has {} faults:\n  {}", .0.len(), .0.join("\n  "))]
    Links(Vec<String>),
    /// A program is missing and cannot be installed from here.
    #[error("{} is missing: install the package `{}`{}", .0.name, .0.package, .0.otherwise())]
    Missing(&'static Program),
    /// cargo's description of the workspace was not understood.
    #[error("the output of `cargo metadata` has no {0}")]
    Metadata(&'static str),
    /// A server was started and never answered.
    #[error("{service} did not start; its log says:\n{log}")]
    NotStarted { service: &'static str, log: String },
    /// Some parts failed, each of which has said why.
    #[error("failed: {}", .0.join(", "))]
    Parts(Vec<&'static str>),
    /// A user to run a server as.
    #[error("PostgreSQL refuses to run as root, and there is no user `postgres` or `nobody`")]
    NoUser,
}

/// Says what was being done when the system refused.
pub(crate) trait Doing<T> {
    /// Names it: "read x".
    fn doing(self, what: impl Into<String>) -> Result<T, Error>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, what: impl Into<String>) -> Result<T, Error> {
        self.map_err(|source| Error::Io {
            doing: what.into(),
            source,
        })
    }
}
