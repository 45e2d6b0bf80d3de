//! What one process knows, and what its callers get.

use super::clock::{Fraction, Now, TOLERANCE};
use super::record::Record;
use super::secret::AccessToken;

/// What one process knows of the session.
#[derive(Debug, Default)]
pub(crate) struct View {
    record: Option<Record>,
    /// The store was read at least once.
    ready: bool,
    /// The access token that a resource server refused.
    rejected: Option<AccessToken>,
    /// Drawn anew for each token.
    jitter: Fraction,
    /// Wall less monotonic time when the token was taken over.
    gap: i64,
    /// Monotonic time of the last renewal that this process saw.
    since: Option<i64>,
    /// Monotonic time before which another process's unanswered refresh, or a failing store, is left alone.
    hold: i64,
    /// The network came back after the last attempt.
    online: bool,
}

/// A caller who wants a token.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    /// The token that a resource server refused.
    pub(crate) rejected: Option<&'a AccessToken>,
    /// Monotonic time at which the caller began to wait.
    pub(crate) since: i64,
}

/// What a caller gets.
#[derive(Debug)]
pub(crate) enum Verdict {
    Give(AccessToken),
    /// There is no session, or it has ended.
    LogIn {
        reason: String,
    },
    /// The caller has waited long enough. The next attempt is due at `retry_at`, by the wall clock.
    Unavailable {
        retry_at: i64,
    },
    /// Ask again after a renewal, and at the latest after so many milliseconds.
    Wait {
        most: i64,
    },
}

impl View {
    /// Whether the store was read at least once.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready
    }

    pub(crate) fn record(&self) -> Option<&Record> {
        self.record.as_ref()
    }

    pub(crate) fn is_online_again(&self) -> bool {
        self.online
    }

    /// Takes over what the store has. Whether the tokens are other ones now.
    pub(crate) fn adopt(&mut self, record: Option<Record>, now: Now, random: Fraction) -> bool {
        let generation = |record: &Option<Record>| record.as_ref().map(|record| record.generation);
        let changed = generation(&self.record) != generation(&record);
        self.record = record;
        if changed || !self.ready {
            self.rejected = None;
            self.jitter = random;
            self.gap = now.wall - now.mono;
            self.hold = 0;
            if self.ready {
                self.since = Some(now.mono);
                self.online = false;
            }
            self.ready = true;
        }
        changed
    }

    /// The claim failed, so the refresh of another process is left alone for a while.
    pub(crate) fn yield_to_claim(&mut self, now: Now) {
        let claimed = self.record.as_ref().map_or(0, |r| r.claimed(now.wall));
        self.hold = now.mono + claimed;
    }

    /// The store cannot be used. Until it can, nothing is renewed that others would find there.
    pub(crate) fn hold_for_store(&mut self, now: Now) {
        self.hold = now.mono + 5_000;
    }

    /// An attempt has failed: from now on only a later return of the network ends the pause.
    pub(crate) fn note_failure(&mut self) {
        self.online = false;
    }

    /// The network came back.
    pub(crate) fn note_online(&mut self) {
        self.online = true;
    }

    /// What a caller gets now, and whether a renewal is to be started, if none is in flight.
    pub(crate) fn ask(&mut self, question: &Question<'_>, now: Now) -> (Verdict, bool) {
        let own = self.record.as_ref().and_then(|r| r.access.as_ref());
        // If the token has been replaced since, the caller gets the new one, without a request.
        if let (Some(rejected), Some(own)) = (question.rejected, own)
            && rejected.is(own)
        {
            self.rejected = Some(rejected.clone());
        }
        let due = self.due(now);
        let renew = due == Some(0);
        let waited = now.mono - question.since;
        let verdict = match (self.live(now), due) {
            (Some(token), _) => {
                let key = self.record.as_ref().and_then(|record| record.key.clone());
                Verdict::Give(token.clone().with_key(key))
            }
            (None, None) => {
                let record = self.record.as_ref();
                let reason = record.map_or("none", |r| r.end.as_deref().unwrap_or("expired"));
                let reason = reason.to_owned();
                Verdict::LogIn { reason }
            }
            (None, Some(due)) if waited >= PATIENCE => Verdict::Unavailable {
                retry_at: now.wall + due,
            },
            (None, Some(due)) => Verdict::Wait {
                most: match due {
                    0 => PATIENCE - waited,
                    due => due.min(PATIENCE - waited),
                },
            },
        };
        (verdict, renew)
    }

    /// Milliseconds until a lost answer is to be asked for again; `None` if none is lost, or if the server's grace has ended.
    pub(crate) fn repetition_due(&self, now: Now) -> Option<i64> {
        let record = self.record.as_ref()?;
        if record.lost(now.wall, 0) == 0 {
            return None;
        }
        self.due(now)
    }

    /// Whether there is a good token other than this one.
    pub(crate) fn has_good(&self, rejected: Option<&AccessToken>, now: Now) -> bool {
        let token = self.live(now);
        token.is_some_and(|token| rejected.is_none_or(|rejected| !rejected.is(token)))
    }

    /// The access token, if it is good.
    fn live(&self, now: Now) -> Option<&AccessToken> {
        let record = self.record.as_ref()?;
        let token = record.access.as_ref()?;
        let refused = self
            .rejected
            .as_ref()
            .is_some_and(|refused| refused.is(token));
        // Servers count whole seconds, so the last one may not be there.
        let life = record.life_ms - (record.life_ms / 2).min(1_000);
        let good = self.suspect(record, now) || now.wall - record.issued_at_wall < life;
        (!refused && good).then_some(token)
    }

    /// The token came from the future, or the wall clock moved by itself: the token's age cannot be known. It
    /// is still tried, but renewed at once.
    fn suspect(&self, record: &Record, now: Now) -> bool {
        now.wall < record.issued_at_wall - TOLERANCE
            || (now.wall - now.mono - self.gap).abs() > TOLERANCE
    }

    /// Milliseconds until a renewal is due. `None` if there is nothing to renew.
    fn due(&self, now: Now) -> Option<i64> {
        let record = self.record.as_ref()?;
        record.refresh.as_ref()?;
        if record.end.is_some() {
            return None;
        }
        // A token that nobody can use is not spared by the distance that good ones keep.
        let urgent = self.live(now).is_none() || self.suspect(record, now);
        let unanswered = record.sent_at_wall > 0 || record.lost_at_wall > 0;
        let margin = margin(record.life_ms);
        let early = margin + self.jitter.of(margin / 8);
        let mut aged = record.issued_at_wall + record.life_ms - early - now.wall;
        let mut distance = 1_000.max(record.life_ms / 10);
        if urgent {
            aged = 0;
        } else if unanswered {
            // The server may have rotated at a request whose answer nobody has, of a process that died for instance. It
            // recognises the repetition only within the grace, which may end before this token has aged.
            aged = aged.min(record.claimed(now.wall));
        }
        if urgent || unanswered {
            // Not even a resource server that refuses every token makes a storm of renewals.
            distance = 1_000;
        }
        let apart = self.since.map_or(0, |since| since + distance - now.mono);
        let pause = record.pause(now.wall, self.online);
        let hold = self.hold - now.mono;
        Some(aged.max(apart).max(pause).max(hold).max(0))
    }
}

/// From 20 % of the life before its end, at least 5 s and at most 120 s, but never in its first half.
fn margin(life: i64) -> i64 {
    (life / 5).clamp(5_000, 120_000).min(life / 2)
}

/// How long a caller waits for a token.
const PATIENCE: i64 = 10_000;
