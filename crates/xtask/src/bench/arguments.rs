//! The command line of the measurements.

use std::collections::BTreeSet;

use clap::{Args, ValueEnum};

/// What to measure.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(crate) struct Arguments {
    /// Only these parts. Their figures are added to those of the same commit and day; those of another are
    /// removed first.
    pub(super) parts: Vec<Part>,
    /// A new run of all parts but `build`. Takes half an hour once everything is built.
    #[arg(long, conflicts_with_all = ["parts", "check"])]
    pub(super) all: bool,
    /// Leaves a part out.
    #[arg(long, conflicts_with = "check")]
    pub(super) skip: Vec<Part>,
    /// Afterwards, puts what was measured into the book: `docs/figures.json`, the tables of the pages and the
    /// pictures. Without a part or `--all` it does only that.
    #[arg(long, conflicts_with = "check")]
    pub(super) write_docs: bool,
    /// Only builds what the parts need.
    #[arg(long, conflicts_with_all = ["check", "write_docs"])]
    pub(super) prepare: bool,
    /// Only fails if a ratio is worse than promised: short, for CI.
    #[arg(long, conflicts_with_all = ["parts", "only", "rounds"])]
    pub(super) check: bool,
    /// Only operations, servers, stores or programs whose name begins with this.
    #[arg(long, default_value = "")]
    pub(super) only: String,
    /// How many rounds of `requests` (4 if it is not given, of some three seconds a server), of `stores`
    /// (5, of one second a way), or of `build` (1).
    #[arg(long)]
    pub(super) rounds: Option<usize>,
    /// How many sessions `stores` has, in each size, and how many expired ones it purges: for a trial.
    #[arg(long, value_delimiter = ',')]
    pub(super) sessions: Vec<u32>,
}

/// A part of the measurements that can be run by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(super) enum Part {
    /// Single operations, and the memory of a session.
    Core,
    /// How cost grows.
    Growth,
    /// Whole servers under load.
    Requests,
    /// Refreshes a second on PostgreSQL, Redis and SQLite (`--only` one of them) beside pgbench,
    /// redis-benchmark and the bare statement, at ten thousand and at a million sessions; refreshes
    /// while a million sessions are purged; bytes a session. It starts its own servers.
    Stores,
    /// The size of the web client.
    Client,
    /// How long our crates and the peers take to build, how many crates they depend on, and the size
    /// of a program.
    Build,
}

impl Part {
    /// Its name on the command line.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Growth => "growth",
            Self::Requests => "requests",
            Self::Stores => "stores",
            Self::Client => "client",
            Self::Build => "build",
        }
    }
}

/// Every part but that of builds, in the order in which they run.
const ALL: [Part; 5] = [
    Part::Core,
    Part::Growth,
    Part::Requests,
    Part::Stores,
    Part::Client,
];

impl Arguments {
    /// The parts to measure, in the order in which they run.
    pub(super) fn chosen(&self) -> BTreeSet<Part> {
        let named = self.parts.iter().copied();
        let only_docs = self.write_docs && self.parts.is_empty() && !self.all;
        let mut chosen: BTreeSet<Part> = if self.parts.is_empty() && !only_docs {
            ALL.into()
        } else {
            named.collect()
        };
        for part in &self.skip {
            chosen.remove(part);
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn chosen(line: &str) -> Vec<Part> {
        let line = std::iter::once("bench").chain(line.split_whitespace());
        let line = Line::try_parse_from(line).unwrap();
        line.arguments.chosen().into_iter().collect()
    }

    #[test]
    fn a_part_can_be_chosen_or_left_out_and_the_book_written_alone() {
        assert_eq!(chosen("--all --write-docs"), ALL);
        assert_eq!(chosen(""), ALL);
        assert_eq!(chosen("core stores"), [Part::Core, Part::Stores]);
        let without = chosen("--all --skip stores --skip growth");
        assert_eq!(without, [Part::Core, Part::Requests, Part::Client]);
        assert_eq!(chosen("--write-docs"), []);
    }
}
