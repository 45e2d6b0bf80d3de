//! Whether a session was revoked lately.

use std::collections::HashSet;
use std::hint::black_box;
use std::time::Duration;

use token_core::SessionId;
use token_session::RevocationView;

use crate::operation::{Goal, OURS, Operation, Pool, Way, cycle};
use crate::world;

/// How many were revoked.
const ENDED: u64 = 100_000;

/// Looks up live sessions beside a hundred thousand revoked ones.
///
/// # Panics
/// Never: there is room.
pub fn check(Pool(count): Pool) -> Operation {
    let view = RevocationView::new(Duration::from_hours(1), 1_000_000);
    let mut set = HashSet::new();
    for number in 0..ENDED {
        let ended = id(number);
        view.insert(ended, world::now()).expect("there is room");
        set.insert(ended);
    }
    let live: Vec<SessionId> = (ENDED..ENDED + count).map(id).collect();
    Operation {
        name: "revocation check, 100 thousand ended".to_owned(),
        ways: vec![
            Way::new(
                OURS,
                cycle(live.clone(), move |id| {
                    black_box(view.contains(*id));
                }),
            ),
            Way::new(
                "std HashSet",
                cycle(live, move |id| {
                    black_box(set.contains(&*id));
                }),
            ),
        ],
        goals: vec![Goal::Allocations(0), Goal::Nanoseconds(30.0)],
    }
}

/// An id as random as a real one.
fn id(number: u64) -> SessionId {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &number.to_le_bytes());
    let mut bytes = [0; SessionId::LENGTH];
    bytes
        .iter_mut()
        .zip(digest.as_ref())
        .for_each(|(to, from)| *to = *from);
    SessionId::from_bytes(bytes)
}
