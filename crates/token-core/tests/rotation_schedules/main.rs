//! The guarantees of `docs/rotation.md` over random schedules: a browser with several tabs, in each
//! transport; answers that are lost, late or stored in another order than they were sent; calls to
//! the store that hang; two nodes whose clocks differ; step-ups, a logout, and a thief.
//!
//! proptest prints the smallest failing schedule. `HALLPASS_SCHEDULES` says how many are tried in
//! each test, and makes them others each time, as `cargo xtask test long` does. Without it they are always
//! the same hundred: whether a change passes must not depend on what was drawn.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

mod actions;
mod device;
mod server;
mod simulation;
#[path = "../support/software_key.rs"]
mod software_key;
#[path = "../support/mod.rs"]
mod support;

use std::ops::RangeInclusive;

use actions::{Action, Kind, attempt, bursts, page, refresh, schedule, step_up, thief};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngSeed, TestRunner};
use simulation::{SKEW, Settings, Simulation};
use support::{World, at};
use token_core::session::DenialReason;
use token_core::{Policy, Transport};

/// How many schedules have to show a fault that is there.
const SCHEDULES: u32 = 1000;

fn config() -> ProptestConfig {
    let schedules = std::env::var("HALLPASS_SCHEDULES");
    let schedules: Option<u32> = schedules.ok().and_then(|number| number.parse().ok());
    let seed = |_| RngSeed::Random;
    ProptestConfig {
        cases: schedules.unwrap_or(100),
        rng_seed: schedules.map_or(RngSeed::Fixed(0), seed),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// A transport, and what its clients do all day.
fn transports() -> impl Strategy<Value = Transport> {
    select(Transport::ALL)
}

fn usual(transport: Transport) -> BoxedStrategy<Kind> {
    match transport {
        Transport::Session => page().boxed(),
        Transport::Cookie | Transport::Header => refresh().boxed(),
    }
}

/// A transport and a schedule for it.
fn schedules(
    others: impl Fn(BoxedStrategy<Kind>) -> BoxedStrategy<Kind>,
) -> impl Strategy<Value = (Settings, Vec<Action>)> {
    let browser = prop::option::of(attempt());
    (transports(), -SKEW..=SKEW, browser).prop_flat_map(move |(transport, skew, registration)| {
        let registration = registration.filter(|_| transport != Transport::Header);
        let settings = Settings {
            registration,
            ..Settings::new(transport, skew)
        };
        (Just(settings), schedule(others(usual(transport)), 30))
    })
}

/// The same for browsers that bind their sessions to a key.
fn bound_schedules(
    others: impl Fn(BoxedStrategy<Kind>) -> BoxedStrategy<Kind>,
) -> impl Strategy<Value = (Settings, Vec<Action>)> {
    let transports = select(&[Transport::Cookie, Transport::Session][..]);
    (transports, -SKEW..=SKEW, attempt()).prop_flat_map(move |(transport, skew, registration)| {
        let settings = Settings {
            registration: Some(registration),
            ..Settings::new(transport, skew)
        };
        (Just(settings), schedule(others(usual(transport)), 30))
    })
}

fn with_step_ups(usual: BoxedStrategy<Kind>) -> BoxedStrategy<Kind> {
    prop_oneof![5 => usual, 1 => step_up()].boxed()
}

fn with_a_thief(usual: BoxedStrategy<Kind>) -> BoxedStrategy<Kind> {
    prop_oneof![6 => usual, 3 => thief(), 1 => step_up()].boxed()
}

proptest! {
    #![proptest_config(config())]

    /// Guarantees 1 and 2.
    #[test]
    fn an_honest_client_is_never_logged_out((settings, actions) in schedules(|usual| usual)) {
        let mut simulation = Simulation::new(settings);
        simulation.run(actions);
        prop_assert!(simulation.refused.is_empty(), "{:?}", simulation.refused);
        prop_assert!(simulation.is_live());
        // And it still gets in.
        prop_assert!(simulation.has_stopped() || simulation.gets_in());
    }

    /// A step-up ends older credentials at once by intention. They are refused, also those that a
    /// late answer gave back to a browser, and the session goes on.
    #[test]
    fn a_step_up_never_ends_the_session_of_an_honest_client(
        (settings, actions) in schedules(with_step_ups),
    ) {
        let mut simulation = Simulation::new(settings);
        simulation.run(actions);
        for reason in &simulation.refused {
            // A session cookie from before the last two step-ups cannot be told from garbage.
            let garbage = settings.transport == Transport::Session
                && *reason == DenialReason::Malformed;
            prop_assert!(garbage || *reason == DenialReason::Revoked, "{:?}", reason);
        }
        prop_assert!(simulation.is_live());
        prop_assert!(simulation.has_stopped() || simulation.gets_in());
    }

    /// Guarantees 1 and 2 with a thief: whatever happens, one branch; and a superseded credential
    /// that comes late ends the session.
    #[test]
    fn a_thief_never_gets_a_branch_of_their_own((settings, actions) in schedules(with_a_thief)) {
        let mut simulation = Simulation::new(settings);
        simulation.run(actions);
        let (honest, stolen) = (simulation.shared.clone(), simulation.stolen.clone());
        if let Some(stolen) = stolen
            && settings.transport != Transport::Session
            && honest != stolen.token
        {
            // Both go on using what they have: one of them is found out.
            let now = simulation.now / 1000;
            simulation.use_at(&honest, at(now + 1000));
            simulation.use_at(&stolen.token, at(now + 2000));
            prop_assert!(!simulation.is_live());
        }
    }

    /// Why a superseded token is not let in "while its successor is unused": a thief with a copy of each token,
    /// who comes after the owner each time and before the owner's next refresh, would be let in for ever. Here
    /// the two have one token as long as neither is later than the window, and the first who is ends the session.
    #[test]
    fn a_thief_in_step_with_the_owner_is_found_the_first_time_that_one_of_them_is_late(
        transport in select(&[Transport::Cookie, Transport::Header][..]),
        turns in prop::collection::vec((46_u64..5_000, prop_oneof![9 => 0_u64..=35, 1 => 36_u64..5_000]), 1..40),
    ) {
        let (mut world, mut token) = World::new(Policy::default(), transport);
        let mut now = 0;
        for (pause, lag) in turns {
            now += pause;
            let first = world.refresh(&token, at(now)).token().to_owned();
            now += lag;
            let second = world.refresh(&token, at(now));
            if lag > 35 {
                prop_assert_eq!(second.reason(), "reused");
                prop_assert_eq!(world.refresh(&first, at(now)).reason(), "revoked");
                break;
            }
            prop_assert_eq!(second.token(), &first);
            token = first;
        }
    }

    /// Invariant 8 of `docs/device-binding.md`: whatever is lost, late or raced, a browser that has its key is
    /// never refused for the lack of a proof, but for a request that it sent without one as it could not reach
    /// the server. Nothing is ended by that, and it gets in once it renews.
    #[test]
    fn a_browser_that_has_its_key_is_never_refused_for_lack_of_a_proof(
        (settings, actions) in bound_schedules(with_step_ups),
    ) {
        let mut simulation = Simulation::new(settings);
        simulation.run(actions.clone());
        prop_assert!(!simulation.refused.contains(&DenialReason::Unbound));
        let steps_up = actions.iter().any(|action| matches!(action.kind, Kind::StepUp(_)));
        // What a step-up does to a session is the matter of another test.
        prop_assert!(simulation.is_live() || steps_up);
        let answered = settings.registration.is_some_and(|attempt| !attempt.lost);
        if answered && !steps_up && !simulation.has_stopped() {
            prop_assert!(simulation.is_demanding());
        }
        prop_assert!(simulation.has_stopped() || simulation.gets_in());
    }

    /// Invariant 7: a copy of all cookies, and of a proof, gets nothing once the value of the copied bound cookie
    /// has ended, and changes nothing; the simulation checks each use.
    #[test]
    fn copied_cookies_are_worth_nothing_after_the_bound_lifetime(
        (settings, actions) in bound_schedules(with_a_thief),
        last in attempt(),
    ) {
        let mut simulation = Simulation::new(settings);
        simulation.run(actions);
        simulation.act(Kind::Steal);
        simulation.run(Vec::new());
        simulation.run(Vec::new());
        simulation.act(Kind::Use(last));
        simulation.run(Vec::new());
    }

    /// Guarantee 3, as far as the store is asked: after a logout nothing is accepted.
    #[test]
    fn after_a_logout_no_credential_of_the_session_works(
        (settings, before) in schedules(with_step_ups),
        after in schedule(refresh(), 10),
    ) {
        let mut simulation = Simulation::new(settings);
        simulation.run(before);
        simulation.act(Kind::Logout);
        let rotations = simulation.world.rotations;
        if settings.transport != Transport::Session {
            simulation.run(after);
        }
        prop_assert_eq!(simulation.world.rotations, rotations);
        prop_assert!(!simulation.is_live());
        prop_assert!(!simulation.gets_in());
        simulation.check_one_branch();
    }
}

/// How many of so many schedules end the session of an honest client, always the same ones.
fn faults(settings: Settings, pause: RangeInclusive<u64>, trouble: bool) -> usize {
    let mut runner = TestRunner::deterministic();
    let strategy = bursts(pause, trouble);
    let ended = (0..SCHEDULES).filter(|_| {
        let mut simulation = Simulation::new(settings);
        simulation.run(strategy.new_tree(&mut runner).unwrap().current());
        !simulation.is_live()
    });
    ended.count()
}

/// A repeat at the end of the grace, and a refresh of another tab at the end of the window.
#[test]
fn without_a_margin_a_store_that_hangs_logs_an_honest_client_out() {
    let settings = Settings::new(Transport::Header, SKEW);
    let without = Settings {
        margin: 0,
        ..settings
    };
    let pause = 26_000..=34_000;
    let (without, with) = (
        faults(without, pause.clone(), true),
        faults(settings, pause, true),
    );
    println!("of {SCHEDULES} schedules {without} fail without a margin, and {with} with it");
    assert!(without > 0 && with == 0);
}

/// Two refreshes at the end of window and margin, whose answers are stored in the other order. This
/// is why an answer does not set the refresh cookie if the browser has presented the one in force.
#[test]
fn setting_the_presented_cookie_again_logs_an_honest_browser_out() {
    let settings = Settings::new(Transport::Cookie, SKEW);
    let resends = Settings {
        resends: true,
        ..settings
    };
    let pause = 38_000..=46_000;
    let (again, once) = (
        faults(resends, pause.clone(), false),
        faults(settings, pause, false),
    );
    println!("of {SCHEDULES} schedules {again} fail if it is set again, and {once} if it is not");
    assert!(again > 0 && once == 0);
}
