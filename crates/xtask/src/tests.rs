//! Every test, in order: rules between the crates, links, then Rust, then the browser half, then the
//! rest of the world.

use clap::ValueEnum;

use crate::error::Error;
use crate::workspace::Workspace;
use crate::{links, purity, rust, web, world};

/// A part of the tests that can be run by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// The rules between the crates, that token-core is pure, and that the peers of the bench build on
    /// what ours do.
    Purity,
    /// The links of the documentation.
    Links,
    /// All tests in Rust, the examples as built programs among them.
    Rust,
    /// The browser half: its unit tests, its size, its package, and the pages in Chromium.
    Web,
    /// The examples before the rest of the world: a strict OAuth client, and a tester that asks
    /// by their OpenAPI document.
    World,
}

impl Part {
    const fn name(self) -> &'static str {
        match self {
            Self::Links => "links",
            Self::Purity => "purity",
            Self::Rust => "rust",
            Self::Web => "web",
            Self::World => "world",
        }
    }

    fn run(self, workspace: &Workspace) -> Result<(), Error> {
        match self {
            Self::Links => links::check(&workspace.root),
            Self::Purity => purity::check(workspace),
            Self::Rust => rust::test(workspace),
            Self::Web => web::test(workspace),
            Self::World => world::test(workspace),
        }
    }
}

/// Runs one part, or all. A part that fails does not keep the others from running.
pub(crate) fn run(part: Option<Part>) -> Result<(), Error> {
    let workspace = Workspace::read()?;
    let parts = part
        .as_ref()
        .map_or(Part::value_variants(), std::slice::from_ref);
    let mut failed = Vec::new();
    for part in parts {
        if let Err(error) = part.run(&workspace) {
            eprintln!("\nxtask: {}: {error}", part.name());
            failed.push((part.name(), error));
        }
    }
    if failed.is_empty() {
        eprintln!("\n==> all passed");
        Ok(())
    } else {
        Err(Error::Parts(failed))
    }
}
