//! What an answer of the token endpoint does to the record.

use super::clock::{Fraction, Now};
use super::record::Retry;
use super::tokens::Body;
use super::write::{Flight, Write};

/// What the token endpoint said.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// 0 if no answer came.
    pub(crate) status: u16,
    pub(crate) body: Body,
    pub(crate) retry_after: i64,
    /// No connection could be made, so the server has not seen the request.
    pub(crate) offline: bool,
}

impl Answer {
    /// The change that follows from it. `random` spreads the next attempts of many clients.
    pub(crate) fn sort(self, flight: &Flight, now: Now, random: Fraction) -> Write {
        let Flight { record, sent } = flight;
        let generation = record.generation;
        let good = (200..300).contains(&self.status);
        if good && let Some(tokens) = self.body.tokens(*sent) {
            return Write::Commit { generation, tokens };
        }
        let Body { error, reason, .. } = self.body;
        if matches!(self.status, 400 | 401) && error.as_deref() == Some("invalid_grant") {
            let reason = reason.or(error).unwrap_or_default();
            let generation = Some(generation);
            return Write::End { generation, reason };
        }
        let fails = record.retry.as_ref().map_or(0, |retry| retry.fails);
        let most = if Retry::says_misconfigured(self.status) {
            300_000
        } else {
            60_000
        };
        let mut wait = random.of((1_000 << fails.min(20)).min(most)).max(250);
        // > Retry-After […] how long the user agent ought to wait (RFC 9110 section 10.2.3)
        // A floor, spread upwards. One wrong answer must not keep a client away for a day.
        wait = wait.saturating_add(self.retry_after).min(3_600_000);
        // The server may have rotated before the answer was lost.
        let unanswered = !self.offline && (self.status < 300 || matches!(self.status, 502 | 504));
        let lost_at = record.lost(now.wall, if unanswered { *sent } else { 0 });
        // It recognises the repetition only within the grace. So it comes within half of that, and what follows in
        // steps of an eighth, whatever the pause has grown to and whatever the server asks for.
        if lost_at > 0 && record.grace_ms > 0 {
            let rest = lost_at + record.grace_ms / 2 - now.wall;
            wait = wait.min(rest.max(record.grace_ms / 8));
        }
        Write::Fail {
            generation,
            retry: Retry {
                fails: fails.saturating_add(1),
                at_wall: now.wall,
                wait_ms: wait,
                offline: self.offline,
                status: self.status,
                error,
            },
            lost_at,
        }
    }
}
