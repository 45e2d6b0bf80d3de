//! The invariants of `docs/rotation.md` over random schedules: an honest browser with several
//! tabs, lost and reordered answers, two nodes whose clocks differ, step-ups, a logout, and a
//! thief.
//!
//! proptest prints the smallest failing schedule and the seed that repeats it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod support;

use std::collections::BTreeMap;

use proptest::prelude::*;
use support::{Answer, World, at, secs};
use token_core::session::{Decision, Purpose, RefreshClaims};
use token_core::{Policy, Transport, UnixTime};

const GRACE: u64 = 30;
const TOLERANCE: u64 = 5;
/// A request or an answer takes at most this long.
const FLIGHT: u64 = 5;
/// A tab whose answer is lost asks again this long after it sent; once it is answered at the
/// latest `2 * FLIGHT + RETRY` after the rotation, which is within the grace.
const RETRY: u64 = 10;

/// What a tab does, some seconds after the action before it.
#[derive(Clone, Debug)]
struct Action {
    after: u64,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Logout,
    /// Sends the token that the tabs share now; its two flights, the node that answers, and
    /// whether the first answer is lost.
    Refresh {
        there: u64,
        back: u64,
        node: usize,
        lost: bool,
    },
    StepUp,
    /// The thief copies the token that the tabs share now.
    Steal,
    /// The thief presents what was stolen last.
    Use {
        node: usize,
    },
}

/// What arrives somewhere at its time.
#[derive(Clone, Debug)]
enum Arrival {
    Answer {
        token: String,
        order: u64,
    },
    Request {
        token: String,
        back: u64,
        node: usize,
        lost: bool,
    },
}

fn refresh() -> impl Strategy<Value = Kind> {
    (
        0..=FLIGHT,
        0..=FLIGHT,
        0_usize..2,
        prop::bool::weighted(0.3),
    )
        .prop_map(|(there, back, node, lost)| Kind::Refresh {
            there,
            back,
            node,
            lost,
        })
}

/// Storms, pauses about as long as the window, and long ones.
fn gap() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0_u64..3, 2 => 20_u64..60, 1 => 300_u64..1000]
}

fn actions(kind: impl Strategy<Value = Kind>) -> impl Strategy<Value = Vec<Action>> {
    prop::collection::vec(
        (gap(), kind).prop_map(|(after, kind)| Action { after, kind }),
        1..60,
    )
}

/// The browser, the network, two nodes and a thief.
struct Simulation {
    world: World,
    /// Node 1's clock runs ahead or behind by at most the tolerance.
    skew: i64,
    now: u64,
    inbox: BTreeMap<(u64, u64), Arrival>,
    sent: u64,
    /// What the tabs share: the token, and the generation order of what it replaced.
    shared: (String, u64),
    stolen: Option<String>,
    /// Every token that ever left the server, read once.
    issued: BTreeMap<String, RefreshClaims>,
    thief_at_work: bool,
    refused: Vec<&'static str>,
}

impl Simulation {
    fn new(skew: i64) -> Self {
        let policy = Policy::builder()
            .grace(secs(GRACE))
            .tolerance(secs(TOLERANCE))
            .build()
            .unwrap();
        let (world, token) = World::new(policy, Transport::Header);
        let claims = world.claims(&token);
        Self {
            world,
            skew,
            now: 1000,
            inbox: BTreeMap::new(),
            sent: 0,
            shared: (token.clone(), 0),
            stolen: None,
            issued: BTreeMap::from([(token, claims)]),
            thief_at_work: false,
            refused: Vec::new(),
        }
    }

    fn clock(&self, node: usize) -> UnixTime {
        let skew = if node == 0 { 0 } else { self.skew };
        at(self.now.checked_add_signed(skew).unwrap())
    }

    fn post(&mut self, delay: u64, arrival: Arrival) {
        self.sent += 1;
        self.inbox.insert((self.now + delay, self.sent), arrival);
    }

    fn act(&mut self, kind: Kind) {
        match kind {
            Kind::Logout => self.world.end(self.clock(0)),
            Kind::Refresh {
                there,
                back,
                node,
                lost,
            } => {
                let token = self.shared.0.clone();
                self.post(
                    there,
                    Arrival::Request {
                        token,
                        back,
                        node,
                        lost,
                    },
                );
            }
            // The page waits for a step-up, so nothing of it is lost or late.
            Kind::StepUp => {
                let token = self.shared.0.clone();
                let answer = self.world.step_up(&token, self.clock(0));
                self.learn(answer);
            }
            Kind::Steal => self.stolen = Some(self.shared.0.clone()),
            Kind::Use { node } => {
                if let Some(token) = self.stolen.clone() {
                    self.thief_at_work = true;
                    let superseded_long_ago = self.superseded_long_ago(&token);
                    if let Answer::Rotated(token) | Answer::Replayed(token) =
                        self.world.refresh(&token, self.clock(node))
                    {
                        self.note(&token);
                        self.stolen = Some(token);
                    }
                    // Invariant 2, its second half.
                    assert!(!superseded_long_ago || self.world.row.revocation.is_some());
                }
            }
        }
        self.check_one_branch();
    }

    fn superseded_long_ago(&self, token: &str) -> bool {
        let superseded = self.world.claims(token).generation < self.world.row.generation;
        let age = at(self.now).since(self.world.row.rotated_at);
        superseded && age > secs(GRACE + 2 * TOLERANCE)
    }

    fn arrive(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Answer { token, order } => {
                // Tabs keep the answer of the latest generation, in whatever order they come.
                if order >= self.shared.1 {
                    self.shared = (token, order);
                }
            }
            Arrival::Request {
                token,
                back,
                node,
                lost,
            } => {
                let answer = self.world.refresh(&token, self.clock(node));
                match answer {
                    Answer::Denied(denial) => self.refused.push(denial.reason().as_str()),
                    Answer::Rotated(next) | Answer::Replayed(next) => {
                        self.note(&next);
                        if lost {
                            let again = Arrival::Request {
                                token,
                                back,
                                node,
                                lost: false,
                            };
                            self.post(RETRY, again);
                        } else {
                            let order = self.world.claims(&next).generation.as_u64();
                            self.post(back, Arrival::Answer { token: next, order });
                        }
                    }
                }
            }
        }
        self.check_one_branch();
    }

    fn learn(&mut self, answer: Answer) {
        match answer {
            Answer::Denied(denial) => self.refused.push(denial.reason().as_str()),
            Answer::Rotated(token) | Answer::Replayed(token) => {
                let order = self.world.claims(&token).generation.as_u64();
                self.note(&token);
                self.shared = (token, order);
            }
        }
    }

    /// Invariant 1: of all tokens ever issued, on both nodes, one at most would be rotated,
    /// and whatever is replayed is the one token in force.
    fn check_one_branch(&mut self) {
        let issued = std::mem::take(&mut self.issued);
        let live = self.world.row.revocation.is_none();
        for node in [0, 1] {
            let now = self.clock(node);
            let mut rotating = Vec::new();
            for claims in issued.values() {
                match self.world.peek_at(claims, &Purpose::Refresh, now) {
                    Decision::Rotate(pending) => rotating.push(pending.write.from),
                    Decision::Replay(granted) => {
                        let same = granted.session().token_hash == self.world.row.token_hash;
                        assert!(same && live);
                    }
                    Decision::Deny(_) | Decision::Revoke(_) => {}
                }
            }
            assert!(
                rotating.len() <= 1 && (live || rotating.is_empty()),
                "{rotating:?}"
            );
        }
        self.issued = issued;
    }

    fn note(&mut self, token: &str) {
        if !self.issued.contains_key(token) {
            self.issued
                .insert(token.to_owned(), self.world.claims(token));
        }
    }

    fn run(&mut self, actions: Vec<Action>) {
        for Action { after, kind } in actions {
            self.run_until(self.now + after);
            self.act(kind);
        }
        self.run_until(self.now + 10_000);
    }

    fn run_until(&mut self, until: u64) {
        while let Some(entry) = self.inbox.first_entry() {
            if entry.key().0 > until {
                break;
            }
            let ((time, _), arrival) = entry.remove_entry();
            self.now = time;
            self.arrive(arrival);
        }
        self.now = until;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Invariants 1 and 2.
    #[test]
    fn an_honest_client_is_never_logged_out(
        skew in -5_i64..=5,
        actions in actions(refresh()),
    ) {
        let mut simulation = Simulation::new(skew);
        simulation.run(actions);
        prop_assert_eq!(simulation.refused, Vec::<&str>::new());
        prop_assert!(simulation.world.row.revocation.is_none());
        // And the client that comes last still gets in.
        let token = simulation.shared.0.clone();
        let answer = simulation.world.refresh(&token, at(simulation.now));
        prop_assert!(matches!(answer, Answer::Rotated(_)));
    }

    /// A step-up ends older tokens at once by intention; honest stragglers are refused, and
    /// the session lives on.
    #[test]
    fn a_step_up_never_ends_the_session_of_an_honest_client(
        skew in -5_i64..=5,
        actions in actions(prop_oneof![6 => refresh(), 1 => Just(Kind::StepUp)]),
    ) {
        let mut simulation = Simulation::new(skew);
        simulation.run(actions);
        prop_assert!(simulation.refused.iter().all(|reason| *reason == "revoked"));
        prop_assert!(simulation.world.row.revocation.is_none());
    }

    /// Invariants 1 and 2 with a thief: whatever happens, one branch; and a superseded token
    /// that comes late ends the session.
    #[test]
    fn a_thief_never_gets_a_branch_of_their_own(
        skew in -5_i64..=5,
        actions in actions(prop_oneof![
            6 => refresh(),
            1 => Just(Kind::Steal),
            2 => (0_usize..2).prop_map(|node| Kind::Use { node }),
            1 => Just(Kind::StepUp),
        ]),
    ) {
        let mut simulation = Simulation::new(skew);
        simulation.run(actions);
        if let Some(stolen) = simulation.stolen.clone() {
            // Both go on using what they have: one of them is found out.
            let honest = simulation.shared.0.clone();
            if honest != stolen {
                let now = simulation.now;
                simulation.world.refresh(&honest, at(now + 100));
                simulation.world.refresh(&stolen, at(now + 200));
                prop_assert!(simulation.world.row.revocation.is_some());
            }
        }
    }

    /// Invariant 3, as far as the store is asked: after a logout nothing is accepted.
    #[test]
    fn after_a_logout_no_token_of_the_session_works(
        skew in -5_i64..=5,
        before in actions(prop_oneof![6 => refresh(), 1 => Just(Kind::StepUp)]),
        after in actions(refresh()),
    ) {
        let mut simulation = Simulation::new(skew);
        simulation.run(before);
        simulation.act(Kind::Logout);
        simulation.refused.clear();
        let rotations = simulation.world.rotations;
        simulation.run(after);
        prop_assert_eq!(simulation.world.rotations, rotations);
        let issued: Vec<String> = simulation.issued.keys().cloned().collect();
        for token in issued {
            let answer = simulation.world.refresh(&token, at(simulation.now));
            prop_assert_eq!(answer.reason(), "revoked");
        }
    }
}
