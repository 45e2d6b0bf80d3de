//! What all processes share of a session.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::clock::left;
use super::secret::{AccessToken, RefreshToken};
use crate::dpop::ClientKey;

/// What is kept for a session, in milliseconds by the wall clock of this machine.
///
/// Members keep their meaning for ever. A later version may only add some, and what a version does not
/// know it carries along at a renewal.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    pub(crate) v: u32,
    /// Grows by one at every change of tokens, and is the only order between processes.
    #[serde(rename = "gen")]
    pub(crate) generation: i64,
    /// The address below which the server has its routes that gave the tokens. No other server gets them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) base: Option<String>,
    /// Absent after the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) access: Option<AccessToken>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refresh: Option<RefreshToken>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<String>,
    /// The key that the tokens are bound to, if they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<ClientKey>,
    /// The access token's life from `issued_at_wall` on.
    pub(crate) life_ms: i64,
    /// When the request was sent that brought the tokens.
    pub(crate) issued_at_wall: i64,
    /// How long the server recognises a refresh whose answer was lost. 0 means unknown, or not at all.
    #[serde(default)]
    pub(crate) grace_ms: i64,
    /// The pause that all processes keep. Absent after a good answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retry: Option<Retry>,
    /// A refresh was sent then and has not been answered yet; else 0.
    #[serde(default)]
    pub(crate) sent_at_wall: i64,
    /// The oldest refresh within the grace that was sent and brought no answer, at which the server may have
    /// rotated; else 0.
    #[serde(default)]
    pub(crate) lost_at_wall: i64,
    /// Why the session has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) end: Option<String>,
    /// What a later version keeps beside it.
    #[serde(flatten)]
    pub(crate) rest: Map<String, Value>,
}

/// No attempt before `at_wall + wait_ms`: two members, so that a clock that was set back shows.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Retry {
    /// Failed attempts since the last good one.
    pub(crate) fails: u32,
    pub(crate) at_wall: i64,
    pub(crate) wait_ms: i64,
    /// No connection could be made, so the return of the network ends the pause.
    #[serde(default)]
    pub(crate) offline: bool,
    /// What the server answered; 0 if no answer came.
    pub(crate) status: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

impl Record {
    /// Reads what a store has. `None` for anything that no version of this crate wrote.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let record: Self = serde_json::from_slice(text).ok()?;
        let sound = record.generation >= 0 && record.life_ms >= 0 && record.issued_at_wall >= 0;
        sound.then_some(record)
    }

    /// Whether it is of the server at this address. Nobody is asked about the tokens of another one, and nothing but
    /// their own client removes them.
    pub(crate) fn is_of(&self, base: &str) -> bool {
        self.base.as_deref() == Some(base)
    }

    /// The text that [`read`](Self::read) reads.
    pub(crate) fn to_json(&self) -> Zeroizing<Vec<u8>> {
        let text = serde_json::to_vec(self);
        Zeroizing::new(text.expect("a record has texts, numbers and keys that are texts"))
    }

    /// Milliseconds before any process may try again.
    pub(crate) fn pause(&self, wall: i64, online: bool) -> i64 {
        match &self.retry {
            Some(retry) if !(retry.offline && online) => left(retry.at_wall, retry.wait_ms, wall),
            _ => 0,
        }
    }

    /// Milliseconds for which another process's unanswered refresh is left alone. Its own time limit is 7 s, but
    /// within half of the grace somebody must repeat it: later the server takes the repetition for a theft.
    pub(crate) fn claimed(&self, wall: i64) -> i64 {
        let grace = if self.grace_ms > 0 {
            self.grace_ms
        } else {
            15_000
        };
        left(self.sent_at_wall, (grace / 2).min(7_500), wall)
    }

    /// When the oldest refresh was sent that the server may still recognise, else `sent`.
    pub(crate) fn lost(&self, wall: i64, sent: i64) -> i64 {
        if left(self.lost_at_wall, self.grace_ms, wall) > 0 {
            self.lost_at_wall
        } else {
            sent
        }
    }
}

impl Retry {
    /// Whether the server said that the request is wrong, which time alone does not change.
    pub(crate) fn is_misconfiguration(&self) -> bool {
        Self::says_misconfigured(self.status)
    }

    pub(super) fn says_misconfigured(status: u16) -> bool {
        (400..500).contains(&status) && !matches!(status, 408 | 425 | 429)
    }
}
