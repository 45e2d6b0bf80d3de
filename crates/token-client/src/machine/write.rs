//! Every way in which the record may change.

use serde_json::Map;

use super::clock::Now;
use super::record::{Record, Retry};
use super::tokens::Tokens;

/// A change of the record.
#[derive(Clone, Debug)]
pub(crate) enum Write {
    /// About to ask the token endpoint. It leaves a mark, so that the request of a process that dies now is
    /// repeated in time.
    Claim {
        generation: i64,
        /// The lock is held, so no other process has a request in flight.
        locked: bool,
        /// The network came back after the last attempt.
        online: bool,
    },
    /// New tokens for this session.
    Commit { generation: i64, tokens: Tokens },
    /// No session any more.
    End {
        /// Whatever is there, if `None`.
        generation: Option<i64>,
        reason: String,
    },
    /// No answer that helps: the same tokens, and a pause.
    Fail {
        generation: i64,
        retry: Retry,
        lost_at: i64,
    },
    /// Another session, whatever was there.
    Set { tokens: Tokens },
}

/// A refresh in flight.
#[derive(Clone, Debug)]
pub(crate) struct Flight {
    /// The record as the claim left it.
    pub(crate) record: Record,
    /// When the request was sent, by the wall clock.
    pub(crate) sent: i64,
}

impl Write {
    /// What it makes of the record that a store has. `None` if its condition does not hold.
    pub(crate) fn apply(&self, found: Option<&Record>, now: Now) -> Option<Record> {
        match self {
            Self::Claim {
                generation,
                locked,
                online,
            } => {
                let record = current(found, Some(*generation))?;
                let taken = !locked && record.claimed(now.wall) > 0;
                (record.pause(now.wall, *online) == 0 && !taken).then(|| Record {
                    // A mark that is still there was left by a process that died.
                    lost_at_wall: record.lost(now.wall, record.sent_at_wall),
                    sent_at_wall: now.wall,
                    ..record.clone()
                })
            }
            Self::Commit { generation, tokens } => {
                let record = current(found, Some(*generation))?;
                let next = with_tokens(tokens, record.generation + 1);
                Some(Record {
                    v: record.v,
                    // > The authorization server MAY issue a new refresh token (RFC 6749 section 6)
                    // Without one the old one stays.
                    refresh: next.refresh.or_else(|| record.refresh.clone()),
                    key: record.key.clone(),
                    rest: record.rest.clone(),
                    ..next
                })
            }
            Self::End { generation, reason } => {
                if found.is_some() || generation.is_some() {
                    current(found, *generation)?;
                }
                Some(Record {
                    end: Some(reason.clone()),
                    ..blank(following(found, now), now.wall)
                })
            }
            Self::Fail {
                generation,
                retry,
                lost_at,
            } => {
                let record = current(found, Some(*generation))?;
                Some(Record {
                    retry: Some(retry.clone()),
                    sent_at_wall: 0,
                    lost_at_wall: *lost_at,
                    ..record.clone()
                })
            }
            Self::Set { tokens } => Some(with_tokens(tokens, following(found, now))),
        }
    }
}

/// The record, if it is of a living session and still of this generation.
fn current(found: Option<&Record>, generation: Option<i64>) -> Option<&Record> {
    found.filter(|record| {
        record.end.is_none() && generation.is_none_or(|wanted| wanted == record.generation)
    })
}

/// The generation after what was found. If a store was lost, the count starts at the clock, so that it does not
/// meet an older one again.
fn following(found: Option<&Record>, now: Now) -> i64 {
    found.map_or(now.wall, |record| record.generation) + 1
}

fn with_tokens(tokens: &Tokens, generation: i64) -> Record {
    Record {
        access: Some(tokens.access.clone()),
        refresh: tokens.refresh.clone(),
        session: tokens.session.clone(),
        key: tokens.key.clone(),
        life_ms: tokens.life,
        grace_ms: tokens.grace,
        ..blank(generation, tokens.asked_at)
    }
}

fn blank(generation: i64, wall: i64) -> Record {
    Record {
        v: 1,
        generation,
        base: None,
        access: None,
        refresh: None,
        session: None,
        key: None,
        life_ms: 0,
        issued_at_wall: wall,
        grace_ms: 0,
        retry: None,
        sent_at_wall: 0,
        lost_at_wall: 0,
        end: None,
        rest: Map::new(),
    }
}
