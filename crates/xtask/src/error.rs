//! The errors of all tasks.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use thiserror::Error;

use crate::program::Program;

/// Why a task failed, and what to do about it.
#[derive(Debug, Error)]
pub(crate) enum Error {
    /// Rules of the project are broken.
    #[error("{what}: {} faults\n  {}", faults.len(), faults.join("\n  "))]
    Broken {
        what: &'static str,
        faults: Vec<String>,
    },
    /// A command failed. Its output says why.
    #[error("`{command}` failed ({status})")]
    Failed {
        command: String,
        status: ExitStatus,
        /// The last lines of its output.
        last: Vec<String>,
    },
    /// The operating system reported an error.
    #[error("{doing}: {source}")]
    Io { doing: String, source: io::Error },
    /// A program is missing and cannot be installed by this process.
    #[error("{} is missing: install the package `{}`{}", .0.name, .0.package, .0.otherwise())]
    Missing(&'static Program),
    /// The output of `cargo metadata` lacks something.
    #[error("the output of `cargo metadata` has no {0}")]
    Metadata(&'static str),
    /// A server was started and did not answer.
    #[error("{service} did not start; its log says:\n{log}")]
    NotStarted { service: &'static str, log: String },
    /// Some parts failed.
    #[error("{}", summary(.0))]
    Parts(Vec<(&'static str, Error)>),
    /// A file could not be read as Rust.
    #[error("{} is not Rust: a bracket or a quote has no end", .0.display())]
    Rust(PathBuf),
    /// There is no user to run a server as.
    #[error("PostgreSQL refuses to run as root, and there is no user `postgres` or `nobody`")]
    NoUser,
}

/// Everything that failed, for the end of a long log.
fn summary(failed: &[(&'static str, Error)]) -> String {
    let mut text = String::from("what failed, with the last lines of its output:\n");
    for (part, error) in failed {
        let _ = write!(text, "\n{part}: {error}\n");
        if let Error::Failed { last, .. } = error {
            for line in last {
                let _ = writeln!(text, "  | {line}");
            }
        }
    }
    let names: Vec<_> = failed.iter().map(|(part, _)| *part).collect();
    let _ = write!(
        text,
        "\nfailed: {}\nonly this again: cargo xtask test {}",
        names.join(", "),
        names.join(" ")
    );
    text
}

/// Adds what was being done to an error of the operating system.
pub(crate) trait Doing<T> {
    /// Adds a description, such as "read x".
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

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[test]
    fn the_end_names_each_part_and_repeats_what_it_said() {
        let rust = Error::Failed {
            command: "cargo nextest run".to_owned(),
            status: ExitStatus::from_raw(100 << 8),
            last: vec!["FAIL a_test".to_owned()],
        };
        let failed = vec![("rust", rust), ("web", Error::NoUser)];
        let text = Error::Parts(failed).to_string();
        assert!(text.contains("rust: `cargo nextest run` failed (exit status: 100)"));
        assert!(text.contains("\n  | FAIL a_test\n"), "{text}");
        let end = "\nfailed: rust, web\nonly this again: cargo xtask test rust web";
        assert!(text.ends_with(end), "{text}");
    }
}
