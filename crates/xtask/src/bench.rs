//! Measurements: builds `crates/bench` and the peers beside it, runs their programs, and writes what they
//! measured into the book.
//!
//! - `arguments` has the command line, and the names of the parts.
//! - `parts` runs the programs, `build` measures builds, and `peers` has the programs of others.
//! - `conditions` says when, where and of what a run is.
//! - `docs` puts a run into the book, and checks that the book has it.

mod arguments;
mod build;
mod conditions;
pub(crate) mod docs;
mod parts;
mod peers;

pub(crate) use self::arguments::Arguments;
use self::parts::Bench;
use crate::error::Error;
use crate::workspace::Workspace;

/// Prints tables and writes the figures as JSON to `target/bench`, and into the book if that is asked for; or
/// only checks.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    let workspace = Workspace::read()?;
    if arguments.check {
        return parts::check(&workspace);
    }
    let chosen = arguments.chosen();
    let bench = Bench::new(&workspace, arguments)?;
    bench.prepare(&chosen)?;
    if arguments.prepare {
        return Ok(());
    }
    let mut failed = Vec::new();
    if !chosen.is_empty() {
        bench.folder.begin(&workspace, arguments.all)?;
    }
    for part in chosen {
        // What the others measured is kept.
        if let Err(error) = bench.measure(part) {
            failed.push((part.name(), error));
        }
    }
    if arguments.write_docs {
        docs::write(&workspace, &bench.folder)?;
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Error::Parts(failed))
    }
}
