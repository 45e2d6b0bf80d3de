//! What happens in a schedule, and when. Times are in milliseconds.

use std::ops::RangeInclusive;

use proptest::prelude::*;

/// A request or an answer is under way for at most this long.
pub(crate) const FLIGHT: u64 = 3_000;
/// A call to the store hangs for at most this long: the time-out of the session manager.
pub(crate) const HANG: u64 = 5_000;
/// A tab asks again at most this long after it sent the request, so that the repeat is within the
/// grace.
pub(crate) const PATIENCE: u64 = 27_000;

/// What somebody does, some time after the action before it.
#[derive(Clone, Debug)]
pub(crate) struct Action {
    pub(crate) after: u64,
    pub(crate) kind: Kind,
    /// How a renewal of the bound cookie goes, if the browser needs one for it.
    pub(crate) renewal: Try,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Logout,
    /// A tab asks for a page, with the session cookie.
    Page(Vec<Try>),
    /// A tab refreshes.
    Refresh(Vec<Try>),
    /// The thief copies what the browser has.
    Steal,
    /// A tab sends the password for a step-up or a change of password.
    StepUp(Vec<Try>),
    /// The thief presents what was stolen last.
    Use(Try),
}

/// One attempt to get a request answered.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Try {
    /// How long the request is under way.
    pub(crate) there: u64,
    /// The node that answers.
    pub(crate) node: usize,
    /// How long each of its calls to the store takes, up to the moment at which it has its effect.
    pub(crate) hangs: [u64; 2],
    /// How long the answer is under way.
    pub(crate) back: u64,
    /// Whether the answer is lost.
    pub(crate) lost: bool,
    /// When the tab asks again if it heard nothing, from the moment at which it sent the request.
    pub(crate) again: u64,
}

fn hang() -> impl Strategy<Value = u64> {
    prop_oneof![3 => Just(0), 1 => 0..=HANG]
}

pub(crate) fn attempt() -> impl Strategy<Value = Try> {
    let flights = (0..=FLIGHT, 0..=FLIGHT);
    let again = prop_oneof![2_000..=PATIENCE, PATIENCE - 1_500..=PATIENCE];
    let hangs = [hang(), hang()];
    let rest = (0_usize..2, hangs, prop::bool::weighted(0.3), again);
    (flights, rest).prop_map(|((there, back), (node, hangs, lost, again))| Try {
        there,
        node,
        hangs,
        back,
        lost,
        again,
    })
}

/// The first attempts; one that is quick and not lost follows them.
fn attempts() -> impl Strategy<Value = Vec<Try>> {
    prop::collection::vec(attempt(), 1..3)
}

pub(crate) fn refresh() -> impl Strategy<Value = Kind> {
    attempts().prop_map(Kind::Refresh)
}

pub(crate) fn page() -> impl Strategy<Value = Kind> {
    attempts().prop_map(Kind::Page)
}

pub(crate) fn step_up() -> impl Strategy<Value = Kind> {
    attempts().prop_map(Kind::StepUp)
}

pub(crate) fn thief() -> impl Strategy<Value = Kind> {
    prop_oneof![
        1 => Just(Kind::Steal),
        2 => attempt().prop_map(Kind::Use),
    ]
}

/// A few refreshes in bursts, with pauses of one length between them. If there is trouble, the store
/// hangs often, and answers are lost.
pub(crate) fn bursts(
    pause: RangeInclusive<u64>,
    trouble: bool,
) -> impl Strategy<Value = Vec<Action>> {
    let gap = prop_oneof![0_u64..=3_000, pause];
    let hang = || {
        prop_oneof![
            Just(0),
            (HANG - 2_000) * u64::from(trouble)..=HANG * u64::from(trouble)
        ]
    };
    let again = PATIENCE - 3_000..=PATIENCE;
    let rest = (
        0_usize..2,
        [hang(), hang()],
        prop::bool::weighted(if trouble { 0.5 } else { 0.0 }),
        again,
    );
    let attempt = (0..=FLIGHT, 0..=FLIGHT, rest).prop_map(|(there, back, rest)| {
        let (node, hangs, lost, again) = rest;
        Try {
            there,
            node,
            hangs,
            back,
            lost,
            again,
        }
    });
    let action = (gap, prop::collection::vec(attempt, 2));
    let action = action.prop_map(|(after, tries)| Action {
        after,
        kind: Kind::Refresh(tries),
        renewal: Try::default(),
    });
    prop::collection::vec(action, 3..8)
}

/// Bursts, pauses about as long as the window, and long ones.
fn gap() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0_u64..3_000,
        2 => 3_000_u64..30_000,
        2 => 30_000_u64..50_000,
        1 => 200_000_u64..1_000_000,
    ]
}

pub(crate) fn schedule(
    kind: impl Strategy<Value = Kind>,
    length: usize,
) -> impl Strategy<Value = Vec<Action>> {
    prop::collection::vec(
        (gap(), kind, attempt()).prop_map(|(after, kind, renewal)| Action {
            after,
            kind,
            renewal,
        }),
        1..length,
    )
}
