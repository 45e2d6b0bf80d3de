//! Which sessions were reported lately, so that a browser that has dropped its key does not fill the log with
//! each of its requests.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use token_core::binding::Unproven;
use token_core::{SessionId, UnixTime};

/// So many sessions are remembered a minute. More are not reported: that many say enough.
const MOST: usize = 10_000;

/// The sessions that were reported in a minute, and why.
#[derive(Default)]
pub(super) struct Observed(Mutex<Minute>);

#[derive(Default)]
struct Minute {
    number: u64,
    sessions: HashSet<(SessionId, Unproven)>,
}

impl Observed {
    /// Whether the session was not reported for this reason yet in this minute, and is to be now.
    pub(super) fn is_first(&self, session: SessionId, why: Unproven, now: UnixTime) -> bool {
        let number = now.as_secs() / 60;
        // Nothing in it is half done if a thread panics.
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if minute.number != number {
            *minute = Minute {
                number,
                sessions: HashSet::new(),
            };
        }
        minute.sessions.len() < MOST && minute.sessions.insert((session, why))
    }
}
