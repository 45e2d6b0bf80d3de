//! The value of a session cookie: a session id and a secret, for sites whose front end handles nothing.

use std::str::FromStr;

use zeroize::Zeroizing;

use crate::binding::proof::Proof;
use crate::jose::base64url;
use crate::keys::error::IssueError;
use crate::session::change::{Committed, Touch};
use crate::session::denial::Denial;
use crate::session::policy::Policy;
use crate::session::record::{Nonce, Session, Transport};
use crate::session::refresh_token::{Presented, RefreshKeyRing};
use crate::session::rule::decision::{Decision, PendingReuse};
use crate::session::rule::rotation::{Evaluation, ended, touch};
use crate::session::step_up::StepUp;
use crate::types::count::Generation;
use crate::types::id::SessionId;
use crate::types::invalid::InvalidValue;
use crate::types::secret::{Entropy, TokenSecret, decode_exact};
use crate::types::time::UnixTime;

/// The bytes of a session id and a secret.
const LENGTH: usize = SessionId::LENGTH + 32;

/// A session cookie's value: 67 characters of base64url, opaque to the client.
///
/// The secret is the session's credential, kept in the store only as its hash. It stays the same while the
/// session slides and is replaced at a step-up.
#[derive(Clone, Debug)]
pub struct SessionToken {
    /// The session that it names; proven only by [`decide`](Self::decide).
    pub untrusted_id: SessionId,
    secret: TokenSecret,
    /// What the request proves beside the cookie: nothing, until it is set.
    pub proof: Proof,
}

impl SessionToken {
    /// The value for the session's current credential.
    pub(crate) fn new(id: SessionId, secret: &TokenSecret) -> Self {
        Self {
            untrusted_id: id,
            secret: secret.clone(),
            proof: Proof::default(),
        }
    }

    /// The text of the cookie, wiped when dropped.
    pub fn to_secret_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; LENGTH]);
        let (id, secret) = bytes.split_at_mut(SessionId::LENGTH);
        id.copy_from_slice(self.untrusted_id.as_bytes());
        secret.copy_from_slice(self.secret.secret());
        let mut text = Zeroizing::new(String::with_capacity(base64url::encoded_length(LENGTH)));
        base64url::encode(&*bytes, &mut text);
        text
    }

    /// Decides what the cookie means for the session that it names, when it is used.
    ///
    /// A session of another transport has no cookie: a value that fits it was put together from the
    /// payload of a refresh token, which has both id and secret.
    ///
    /// `now` is this node's clock, taken before the store was asked for `session`.
    pub fn decide(
        &self,
        session: &Committed<Session>,
        policy: &Policy,
        keys: &RefreshKeyRing,
        now: UnixTime,
    ) -> CookieDecision {
        let evaluation = match self.evaluate(session, None, policy, keys, now) {
            Ok(evaluation) => evaluation,
            Err(denial) => return CookieDecision::Deny(denial),
        };
        if evaluation.presented.generation == session.generation {
            return CookieDecision::Accept(touch(session, self.proof, policy, now));
        }
        let superseded = evaluation.older();
        superseded.map_or_else(CookieDecision::Deny, CookieDecision::Revoke)
    }

    /// Decides what the cookie means in a step-up or a change of password: a new credential in its place,
    /// or the same new one again if the answer was lost.
    ///
    /// # Errors
    /// [`IssueError::KeyMissing`] as for [`decide`](crate::session::rule::decide).
    pub fn decide_step_up<const N: usize>(
        &self,
        session: &Committed<Session>,
        step_up: &StepUp,
        policy: &Policy,
        keys: &RefreshKeyRing,
        now: UnixTime,
        entropy: Entropy<N>,
    ) -> Result<Decision, IssueError> {
        let nonce = Nonce::new(entropy);
        match self.evaluate(session, Some(step_up), policy, keys, now) {
            Ok(evaluation) if evaluation.presented.generation == session.generation => {
                Ok(evaluation.current(nonce))
            }
            Ok(evaluation) => evaluation.previous(nonce),
            Err(denial) => Ok(Decision::Deny(denial)),
        }
    }

    /// Whether this is the credential of `session`, current or the one before, whatever has become of the
    /// session: enough to end it.
    pub fn belongs_to(&self, session: &Session) -> bool {
        self.presented_in(session).is_some()
    }

    /// Which credential of the session the cookie is, or `None` if it is none of its own.
    fn presented_in(&self, session: &Session) -> Option<Presented<'_>> {
        if session.transport != Transport::Session || session.id != self.untrusted_id {
            return None;
        }
        let hash = self.secret.hash();
        let current = session.generation;
        let generation = if session.token_hash == hash {
            current
        } else if session.previous_hash == Some(hash) {
            Generation(current.0.saturating_sub(1))
        } else {
            return None;
        };
        Some(Presented {
            generation,
            secret: &self.secret,
            hash,
            proof: self.proof,
        })
    }

    /// That it is a credential of the session is checked first: anyone who knows only the id must not
    /// learn what became of the session. An unknown secret under no signature proves nothing, so it raises
    /// no event either.
    fn evaluate<'a>(
        &'a self,
        session: &'a Committed<Session>,
        step_up: Option<&'a StepUp>,
        policy: &'a Policy,
        keys: &'a RefreshKeyRing,
        now: UnixTime,
    ) -> Result<Evaluation<'a>, Denial> {
        let presented = self.presented_in(session).ok_or(Denial::Malformed)?;
        if let Some(denial) = ended(session, session.absolute_expires_at, now) {
            return Err(denial);
        }
        let proven = session.binding.check(self.proof);
        proven.map_err(Denial::Unbound)?;
        Ok(Evaluation {
            presented,
            session,
            step_up,
            policy,
            keys,
            now,
        })
    }
}

impl FromStr for SessionToken {
    type Err = InvalidValue;

    /// Reads what a client presented: every text that we do not write is refused.
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let bytes: Zeroizing<[u8; LENGTH]> = Zeroizing::new(decode_exact("SessionToken", text)?);
        let (id, secret) = bytes.split_at(SessionId::LENGTH);
        Ok(Self {
            untrusted_id: SessionId::from_bytes(id.try_into().expect("split at its length")),
            secret: TokenSecret::from_bytes(secret.try_into().expect("the rest is 32 bytes")),
            proof: Proof::default(),
        })
    }
}

/// What a session cookie means, by [`SessionToken::decide`].
#[derive(Debug)]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "a cookie has these three outcomes")]
pub enum CookieDecision {
    /// It holds. If a touch is due, the store should write it and the cookie be sent again.
    Accept(Option<Touch>),
    /// Refuse it; nothing is written.
    Deny(Denial),
    /// It was stolen: end the session, then refuse.
    Revoke(PendingReuse),
}
