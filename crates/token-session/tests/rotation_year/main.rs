//! A simulated year of key rotations, by schedule and by emergency, with several nodes whose
//! clocks are off and that learn late of a changed schedule, with restarts, and with verifiers
//! that keep a JWK set for its whole `max-age`.
//!
//! At every moment: no genuine token is refused, no retired key is accepted, and every replay
//! within the grace gives the same token. Where a *refresh* key is removed, who has a token of
//! it must log in again, and nobody else; and nobody is taken for a thief.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test"
)]
#![allow(clippy::print_stdout, reason = "the seed of a failure")]

mod clients;
mod dice;
mod nodes;
mod readers;
mod removal;
mod support;
mod year;

use proptest::prelude::{Strategy as _, any};
use proptest::test_runner::{Config, TestRunner};
use year::Year;

const DAY: u64 = 86_400;
const MAX_AGE: u64 = 300;
const PROPAGATION: u64 = 60;
const ACCESS: u64 = 300;
const TOLERANCE: u64 = 5;
const GRACE: u64 = 30;
/// Off by so much; any two differ by at most the tolerance.
const SKEWS: [i64; 3] = [-2, 0, 3];

#[test]
fn a_year_of_rotations_refuses_nobody_and_accepts_no_retired_key() {
    let config = Config {
        cases: 1,
        failure_persistence: None,
        ..Config::default()
    };
    let seeds = any::<u64>().no_shrink();
    let run = |seed| {
        let mut year = Year::new(seed);
        year.run();
        let counts = &year.counts;
        println!("seed {seed}: {counts:?}");
        // The year had what it is about.
        assert!(counts.keys > 26 && counts.emergencies > 10, "{counts:?}");
        assert!(
            counts.refresh_emergencies > 5 && counts.logged_out > 5,
            "{counts:?}"
        );
        assert!(
            counts.rotations > 1000 && counts.replays > 100,
            "{counts:?}"
        );
        assert!(
            counts.accepted > 10_000 && counts.refused > 1000,
            "{counts:?}"
        );
        Ok(())
    };
    TestRunner::new(config).run(&seeds, run).unwrap();
}
