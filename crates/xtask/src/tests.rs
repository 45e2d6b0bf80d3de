//! Every test, in parts. Those that need nothing but a processor come first.

use std::time::Instant;

use clap::ValueEnum;

use crate::browser;
use crate::error::Error;
use crate::examples;
use crate::long;
use crate::proofs;
use crate::rules;
use crate::rust;
use crate::times::{Times, spoken};
use crate::web;
use crate::workspace::Workspace;
use crate::world;

/// A part of the tests that can be run by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Sessions that are bound to their browser, for a quarter of an hour: hundreds of requests in each case that
    /// could refuse an honest one, and thieves. Not a part of all tests.
    Device,
    /// The examples of logins by other proofs, which are workspaces of their own: a code of an
    /// authenticator, a passkey in Chromium, and a login at a provider of OpenID Connect.
    Examples,
    /// The rules of the project: dependencies, circles of files, manifests, links, words.
    Rules,
    /// The tests in Rust that need no server, and the examples in the documentation.
    Rust,
    /// The web client: its unit tests, its size and its package.
    Web,
    /// The session stores on private servers of PostgreSQL and Redis.
    Stores,
    /// The web client in Firefox and in WebKitGTK: those of its browser tests that they can run, and each transport,
    /// with and without a key (DPoP). Not a part of all tests.
    Engines,
    /// The built examples: over HTTP, in Chromium, with a strict OAuth client and with a tester that
    /// asks by their OpenAPI document. The verifiers of others too, and a login, a renewal and a reload in Firefox
    /// and in WebKitGTK.
    E2e,
    /// What takes longer than a change can wait for: the fuzzers, the stores, faults and years of
    /// rotation with many more seeds, processes that share one session for a hundred lifetimes of a token, and hosts
    /// that vanish from a network, which only root can make. Not a part of all tests.
    Long,
}

impl Part {
    /// The parts that run if none is named.
    const ALL: [Self; 6] = [
        Self::Rules,
        Self::Rust,
        Self::Web,
        Self::Stores,
        Self::E2e,
        Self::Examples,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::E2e => "e2e",
            Self::Engines => "engines",
            Self::Examples => "examples",
            Self::Long => "long",
            Self::Rules => "rules",
            Self::Rust => "rust",
            Self::Stores => "stores",
            Self::Web => "web",
        }
    }

    /// An estimate in seconds, on two processors with nothing built, until there is a measurement.
    const fn first_time(self) -> u64 {
        match self {
            Self::Device => 1500,
            Self::E2e => 540,
            Self::Engines => 1800,
            Self::Examples => 150,
            Self::Long => 3600,
            Self::Rules => 5,
            Self::Rust => 480,
            Self::Stores => 180,
            Self::Web => 60,
        }
    }

    fn run(self, workspace: &Workspace) -> Result<(), Error> {
        match self {
            Self::Device => browser::test_device(workspace),
            Self::E2e => end_to_end(workspace),
            Self::Engines => browser::test_engines(workspace),
            Self::Examples => proofs::test(workspace),
            Self::Long => long::test(workspace),
            Self::Rules => rules::check(workspace),
            Self::Rust => rust::test(workspace),
            Self::Stores => rust::test_stores(workspace),
            Self::Web => web::test(workspace),
        }
    }
}

/// Runs all of it, even if some of it fails.
fn end_to_end(workspace: &Workspace) -> Result<(), Error> {
    examples::build(workspace)?;
    let rust = rust::test_examples(workspace);
    let world = world::test(workspace);
    let browser = browser::test(workspace);
    rust.and(world).and(browser)
}

/// Runs some parts, or all. If one fails, the others still run.
pub(crate) fn run(chosen: &[Part]) -> Result<(), Error> {
    let workspace = Workspace::read()?;
    let mut times = Times::read(&workspace.target);
    let parts = if chosen.is_empty() {
        &Part::ALL
    } else {
        chosen
    };
    let expected = |part: Part, times: &Times| times.last(part.name()).unwrap_or(part.first_time());
    let plan: Vec<_> = parts
        .iter()
        .map(|&part| {
            let measured = if times.last(part.name()).is_some() {
                ""
            } else {
                " at first"
            };
            format!(
                "{} ({}{measured})",
                part.name(),
                spoken(expected(part, &times))
            )
        })
        .collect();
    let sum = parts.iter().map(|&part| expected(part, &times)).sum();
    eprintln!("==> {}: about {}", plan.join(", "), spoken(sum));
    let mut failed = Vec::new();
    for (number, &part) in parts.iter().enumerate() {
        let rest = parts.iter().skip(number);
        let rest = rest.map(|&part| expected(part, &times)).sum();
        eprintln!(
            "\n==> [{}/{}] {}, about {}; all that is left, about {}",
            number + 1,
            parts.len(),
            part.name(),
            spoken(expected(part, &times)),
            spoken(rest)
        );
        let start = Instant::now();
        let done = part.run(&workspace);
        let took = start.elapsed().as_secs();
        if let Err(error) = done {
            eprintln!(
                "\nxtask: {} failed after {}: {error}",
                part.name(),
                spoken(took)
            );
            failed.push((part.name(), error));
        } else {
            eprintln!("\n==> {} passed in {}", part.name(), spoken(took));
            times.note(part.name(), took);
        }
    }
    if failed.is_empty() {
        eprintln!("\n==> all passed");
        Ok(())
    } else {
        Err(Error::Parts(failed))
    }
}
