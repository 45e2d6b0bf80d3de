//! The value of a session cookie: a session id and a secret, for sites whose front end
//! handles nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::session::change::{Committed, Granted, Touch};
use crate::session::decision::{Decision, PendingReuse};
use crate::session::denial::Denial;
use crate::session::policy::Policy;
use crate::session::record::{Authentication, Generation, Session, Transport};
use crate::session::refresh_token::{KeyMissing, RefreshKeyRing};
use crate::session::rotation::{Case, LAST_SEEN_STEP, Presented, Purpose, over};
use crate::types::id::SessionId;
use crate::types::secret::{Entropy, Malformed, TokenSecret, decode_exact};
use crate::types::time::UnixTime;

/// The bytes of a session id and a secret.
const LENGTH: usize = SessionId::LENGTH + 32;

/// A session cookie's value: 67 characters of base64url, opaque to the client.
///
/// The secret is the session's credential, kept in the store only as its hash. It stays the
/// same while the session slides and is replaced at a step-up.
#[derive(Clone, Debug)]
pub struct SessionToken {
    id: SessionId,
    secret: TokenSecret,
}

impl SessionToken {
    /// Reads what a client presented.
    ///
    /// # Errors
    /// [`Malformed`] for every text that we do not write.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut bytes = Zeroizing::new([0; LENGTH]);
        decode_exact(text, &mut *bytes)?;
        let (id, secret) = bytes.split_at(SessionId::LENGTH);
        Ok(Self {
            id: SessionId::from_bytes(id.try_into().expect("split at its length")),
            secret: TokenSecret::from_bytes(secret.try_into().expect("the rest is 32 bytes")),
        })
    }

    /// The value for the session's current credential.
    pub fn new(granted: &Granted) -> Self {
        Self {
            id: granted.session().id,
            secret: granted.secret().clone(),
        }
    }

    /// The session that it names; proven only by [`decide`](Self::decide).
    pub const fn untrusted_id(&self) -> SessionId {
        self.id
    }

    /// The text of the cookie, wiped when dropped.
    pub fn to_secret_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; LENGTH]);
        let (id, secret) = bytes.split_at_mut(SessionId::LENGTH);
        id.copy_from_slice(self.id.as_bytes());
        secret.copy_from_slice(self.secret.secret());
        Zeroizing::new(URL_SAFE_NO_PAD.encode(*bytes))
    }

    /// Decides what the cookie means for the session that it names, when it is used.
    ///
    /// A session of another transport has no cookie: what fits it was put together from the
    /// payload of a refresh token, whose holder has id and secret.
    ///
    /// `now` is this node's clock, taken before the store was asked for `session`.
    pub fn decide(
        &self,
        session: &Committed<Session>,
        policy: &Policy,
        keys: &RefreshKeyRing,
        now: UnixTime,
    ) -> CookieDecision {
        let Some(standing) = self.standing(session) else {
            return CookieDecision::Deny(Denial::Malformed);
        };
        if let Some(denial) = over(session, session.absolute_expires_at, now) {
            return CookieDecision::Deny(denial);
        }
        match standing {
            Standing::Current => CookieDecision::Accept(touch(session, policy, now)),
            Standing::Previous => {
                let case = self.case(session, standing, &Purpose::Refresh, policy, keys, now);
                match case.older() {
                    Ok(reuse) => CookieDecision::Revoke(reuse),
                    Err(denial) => CookieDecision::Deny(denial),
                }
            }
        }
    }

    /// Decides what the cookie means in a step-up or a change of password: a new credential
    /// in its place, or the same new one again where the answer was lost.
    ///
    /// # Errors
    /// [`KeyMissing`] as for [`decide`](crate::session::decide).
    pub fn decide_step_up(
        &self,
        session: &Committed<Session>,
        authentication: Authentication,
        policy: &Policy,
        keys: &RefreshKeyRing,
        now: UnixTime,
        entropy: Entropy,
    ) -> Result<Decision, KeyMissing> {
        let Some(standing) = self.standing(session) else {
            return Ok(Decision::Deny(Denial::Malformed));
        };
        if let Some(denial) = over(session, session.absolute_expires_at, now) {
            return Ok(Decision::Deny(denial));
        }
        let purpose = Purpose::StepUp(authentication);
        let case = self.case(session, standing, &purpose, policy, keys, now);
        match standing {
            Standing::Current => Ok(case.current(entropy)),
            Standing::Previous => case.previous(entropy),
        }
    }

    /// Whether this is the credential of `session`, current or the one before, whatever has
    /// become of it: enough to end it.
    pub fn belongs_to(&self, session: &Session) -> bool {
        self.standing(session).is_some()
    }

    /// Where the cookie stands in the session; `None` where it is none of its own. That comes
    /// first: who knows only the id must not learn what became of the session, and an unknown
    /// secret under no signature proves nothing, so it rings no alarm.
    fn standing(&self, session: &Session) -> Option<Standing> {
        if session.transport != Transport::Session || session.id != self.id {
            return None;
        }
        let hash = self.secret.hash();
        if session.token_hash == hash {
            Some(Standing::Current)
        } else if session.previous_hash == Some(hash) {
            Some(Standing::Previous)
        } else {
            None
        }
    }

    fn case<'a>(
        &'a self,
        session: &'a Committed<Session>,
        standing: Standing,
        purpose: &'a Purpose,
        policy: &'a Policy,
        keys: &'a RefreshKeyRing,
        now: UnixTime,
    ) -> Case<'a> {
        let stored = session.generation;
        let presented = Presented {
            generation: match standing {
                Standing::Current => stored,
                Standing::Previous => Generation::from_u64(stored.as_u64().saturating_sub(1)),
            },
            secret: &self.secret,
        };
        Case {
            presented,
            session,
            purpose,
            policy,
            keys,
            now,
        }
    }
}

/// Which credential of its session a cookie is.
#[derive(Clone, Copy)]
enum Standing {
    Current,
    /// The one before.
    Previous,
}

/// What a session cookie means, by [`SessionToken::decide`].
#[derive(Debug)]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "a cookie has these three outcomes")]
pub enum CookieDecision {
    /// It holds. Where a touch is due, the store should write it and the cookie be sent again.
    Accept(Option<Touch>),
    /// Refuse it; nothing is written.
    Deny(Denial),
    /// It was stolen: end the session, then refuse.
    Revoke(PendingReuse),
}

/// The write that a use is worth, if the last is longer ago than the touch interval.
fn touch(session: &Session, policy: &Policy, now: UnixTime) -> Option<Touch> {
    let slide = policy.slide(session.remember, session.absolute_expires_at, now);
    let last_seen_at = now.round_down(LAST_SEEN_STEP);
    // How far the deadline would move is how long ago it was moved last.
    let moved = slide.idle_expires_at.since(session.idle_expires_at);
    let due = !moved.is_zero() && moved >= policy.touch_interval();
    // Once the idle deadline has met the absolute one it stays, but the list should go on.
    let stuck = session.idle_expires_at == session.absolute_expires_at;
    let seen = stuck && last_seen_at.since(session.last_seen_at) >= LAST_SEEN_STEP;
    (due || seen).then_some(Touch {
        id: session.id,
        generation: session.generation,
        at: now,
        slide,
        last_seen_at,
    })
}
