//! What is known of the changes of a part, kept in a file so that a run can go on.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Doing as _, Error};

/// What came of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// A test failed.
    Noticed,
    /// The tests did not come to an end.
    Hangs,
    /// The code does not compile.
    Impossible,
    /// It cannot be chosen while the tests run.
    Apart,
    /// All tests passed.
    Missed,
}

impl Outcome {
    pub(crate) const ALL: [Self; 5] = [
        Self::Noticed,
        Self::Hangs,
        Self::Impossible,
        Self::Apart,
        Self::Missed,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Noticed => "noticed",
            Self::Hangs => "hangs",
            Self::Impossible => "not possible",
            Self::Apart => "to be tried by cargo-mutants itself",
            Self::Missed => "missed",
        }
    }
}

/// By the name of the change: its outcome, and the tests that noticed it.
#[derive(Debug)]
pub(crate) struct Results {
    path: PathBuf,
    pub(crate) known: BTreeMap<String, (Outcome, String)>,
}

impl Results {
    pub(crate) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_default();
        let known = text.lines().filter_map(|line| {
            let mut parts = line.split('\t');
            let (outcome, name, by) = (parts.next()?, parts.next()?, parts.next()?);
            let outcome = Outcome::ALL.into_iter().find(|o| o.name() == outcome)?;
            Some((name.to_owned(), (outcome, by.to_owned())))
        });
        Self {
            path: path.to_owned(),
            known: known.collect(),
        }
    }

    /// Whether it need not be tried again. What was missed is, because there may be a new test.
    pub(crate) fn settles(&self, change: &str) -> bool {
        let known = self.known.get(change);
        known.is_some_and(|(outcome, _)| !matches!(outcome, Outcome::Missed | Outcome::Apart))
    }

    pub(crate) fn put(&mut self, change: &str, outcome: Outcome, by: &str) -> Result<(), Error> {
        self.known
            .insert(change.to_owned(), (outcome, by.to_owned()));
        let lines = self.known.iter();
        let lines =
            lines.map(|(name, (outcome, by))| format!("{}\t{name}\t{by}\n", outcome.name()));
        let text: String = lines.collect();
        let new = self.path.with_extension("new");
        fs::write(&new, text)
            .and_then(|()| fs::rename(&new, &self.path))
            .doing(format!("write {}", self.path.display()))
    }

    /// Prints how many there are of each outcome, and names what was missed.
    pub(crate) fn tell(&self, part: &str, of: usize) {
        eprint!("\n==> {part}: {of} changes");
        for outcome in Outcome::ALL {
            let count = self.known.values().filter(|(o, _)| *o == outcome).count();
            eprint!(", {count} {}", outcome.name());
        }
        eprintln!();
        for (name, (outcome, _)) in &self.known {
            if matches!(outcome, Outcome::Missed | Outcome::Apart | Outcome::Hangs) {
                eprintln!("  {}: {name}", outcome.name());
            }
        }
    }
}
