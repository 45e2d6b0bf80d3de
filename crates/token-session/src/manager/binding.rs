//! Sessions that are bound to the browser that opened them: offers, registrations, renewals, and what a
//! request proves.

use std::time::Duration;

use thiserror::Error;
use token_core::binding::{
    Binding, BindingGeneration, BoundValue, Offer, Proof, ProofError, Unproven,
};
use token_core::session::{Bind, Change, Committed};
use token_core::{PRODUCT, Session, SessionId, Transport, UnixTime};

use super::SessionManager;
use crate::binding::{BindingMode, BindingPolicy};
use crate::erased::StoreError;
use crate::event::EventKind;
use crate::store::Commit;
use crate::to_end::to_end;

/// How long the cookie of a registration lives. A browser renews two minutes before the end, so it does so with its
/// next request and shows that the answer has come.
const REGISTRATION_LIFETIME: Duration = Duration::from_secs(110);

/// More writes than this in a row that come first are a fault.
const ATTEMPTS: u32 = 4;

/// What the answer to a login offers to a browser that may bind its session.
#[derive(Debug)]
#[non_exhaustive]
pub struct BindingOffer {
    /// What the browser has to sign and to send.
    pub offer: Offer,
    /// The cookie of the session before there is a key, if requests will need one: those that are under way
    /// while the browser registers carry it.
    pub first: Option<BoundCookie>,
}

/// The bound cookie of a session.
#[derive(Debug)]
#[non_exhaustive]
pub struct BoundCookie {
    /// Its value.
    pub value: BoundValue,
    /// How long the browser keeps it.
    pub max_age: Duration,
}

/// A session whose browser has just registered or used its key.
#[derive(Debug)]
#[non_exhaustive]
pub struct BoundSession {
    /// The session.
    pub session: Committed<Session>,
    /// Its new cookie.
    pub cookie: BoundCookie,
}

/// Why a browser's key was not registered, or not accepted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BindingError {
    /// No proof, or none that counts: the browser has to sign this.
    #[error("a challenge has to be signed")]
    Challenge(Box<str>),
    /// The proof is right, and the session has ended.
    #[error("the session has ended")]
    Ended,
    /// The registration is refused.
    #[error("the registration is refused")]
    Refused,
    /// Other writes came first each time: try again.
    #[error("other writes came first {ATTEMPTS} times")]
    Contended,
    /// The store could not answer: try again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a request shows of its session's bound cookie.
#[derive(Clone, Copy, Debug)]
pub struct ShownCookie {
    /// For which registration the value was made, and when it ends.
    found: Result<(BindingGeneration, UnixTime), Unproven>,
    demanded: bool,
}

impl ShownCookie {
    /// The proof that the session is judged by. If the policy demands none, it is enough for every browser.
    pub const fn proof(self) -> Proof {
        if self.demanded {
            self.found_proof()
        } else {
            Proof::Device(BindingGeneration::ANY)
        }
    }

    const fn found_proof(self) -> Proof {
        match self.found {
            Ok((generation, _)) => Proof::Device(generation),
            Err(why) => Proof::None(why),
        }
    }

    /// Until when the value is good that was shown; `None` if none is good. Its cookie lives a minute less
    /// ([`BoundValue::MARGIN`]).
    pub fn until(self) -> Option<UnixTime> {
        self.found.ok().map(|(_, until)| until)
    }

    /// Whether the browser proves that it has the key to which the session is bound.
    pub fn proves(self, session: &Session) -> bool {
        session.binding.level().is_some() && session.binding.prove(self.found_proof()).is_ok()
    }
}

impl SessionManager {
    /// Whether sessions are bound to their browsers.
    pub fn binding(&self) -> BindingPolicy {
        self.inner.binding
    }

    /// What the answer to a login or a step-up offers to the browser; `None` if sessions are not bound, this
    /// one has no cookie, or its browser has used a key already. No I/O.
    ///
    /// Give it out with the answer to a login or a step-up and never because a cookie was shown: otherwise
    /// a thief could be the first to register a key.
    pub fn offer_binding(&self, session: &Session) -> Option<BindingOffer> {
        let policy = self.inner.binding;
        let bindable = session.transport != Transport::Header
            && session.binding.level().is_none()
            && policy.mode != BindingMode::Off;
        bindable.then(|| {
            let now = self.now();
            let keys = self.inner.keys.load();
            let required = policy.mode == BindingMode::Require;
            let first = required.then(|| {
                let (id, any, max_age) = (session.id, BindingGeneration::ANY, policy.lifetime);
                BoundCookie {
                    value: keys.binding.value(id, any, max_age, now),
                    max_age,
                }
            });
            let offer = keys.binding.offer(session.id, now);
            BindingOffer { offer, first }
        })
    }

    /// Reads the values of the bound cookie of a session. There is more than one only if somebody else has set
    /// one, and then a good one counts. No I/O.
    pub fn shown_cookie<'a>(
        &self,
        session: SessionId,
        values: impl Iterator<Item = &'a str>,
    ) -> ShownCookie {
        let now = self.now();
        let keys = self.inner.keys.load();
        let mut found = Err(Unproven::Missing);
        for value in values {
            found = keys.binding.read_value(value, session, now);
            if let Ok((_, until)) = found {
                self.inner.feed.waiters.prove(session, until);
                break;
            }
        }
        ShownCookie {
            found,
            demanded: self.inner.binding.mode == BindingMode::Require,
        }
    }

    /// Until when a caller is known to be let in who has shown this cookie of a live session, to wait for its
    /// [end](Self::ended): the deadline of the session or, if proofs are demanded, the earlier end of the bound
    /// cookie. Without one it is the end of one that would be made now: until then the session may be bound.
    pub fn known_until(&self, shown: &ShownCookie, session: &Session) -> UnixTime {
        let deadline = session.expires_at();
        let proven_until = match shown.found {
            _ if !shown.demanded => deadline,
            Ok((_, until)) => until,
            Err(_) => self.now() + self.inner.binding.lifetime,
        };
        deadline.min(proven_until)
    }

    /// Reports a session whose request was served, and would have been refused if the policy were to
    /// require proofs: at most once a minute for each session on this node.
    pub fn observe(&self, shown: &ShownCookie, session: &Session) {
        if self.inner.binding.mode != BindingMode::Observe || session.binding.level().is_none() {
            return;
        }
        let now = self.now();
        if let Err(why) = session.binding.prove(shown.found_proof())
            && self.inner.observed.is_first(session.id, why, now)
        {
            self.report(EventKind::UnboundCredential(why), session, now);
        }
    }

    /// Registers the key of a browser for the session whose login was answered to it.
    ///
    /// The key is pending until the browser has used it: the answer may be lost.
    ///
    /// # Errors
    /// [`BindingError::Refused`], [`BindingError::Contended`] and [`BindingError::Store`].
    pub async fn register_browser(&self, proof: &str) -> Result<BoundSession, BindingError> {
        let now = self.now();
        let registration = self.inner.keys.load().binding.registration(proof, now);
        let registration = registration.map_err(|error| {
            log_refused(&error);
            BindingError::Refused
        })?;
        let mut current = self.load(registration.session).await?;
        for _ in 0..ATTEMPTS {
            let session = current.filter(|session| session.is_live(now));
            let session = session.ok_or(BindingError::Refused)?;
            let to = session.binding.registered(registration.key);
            let to = to.map_err(|_| BindingError::Refused)?;
            let session = match to {
                None => session,
                Some(to) => match self.bind(&session, to, now).await? {
                    Commit::Applied(session) => session,
                    // Another registration, or the end of the session, came first.
                    Commit::Missed(other) => {
                        current = other;
                        continue;
                    }
                },
            };
            return Ok(self.bound(session, REGISTRATION_LIFETIME, now));
        }
        Err(BindingError::Contended)
    }

    /// Gives a browser that has its key a new bound cookie. The first time that is what confirms the key.
    ///
    /// Session ids are no secret, so a client that sends one learns nothing: without a proof that answers a
    /// challenge the store is not asked, and without the key's signature the answer is a challenge.
    ///
    /// # Errors
    /// [`BindingError::Challenge`], [`BindingError::Ended`], [`BindingError::Contended`] and
    /// [`BindingError::Store`].
    pub async fn renew_browser(
        &self,
        id: SessionId,
        proof: Option<&str>,
    ) -> Result<BoundSession, BindingError> {
        let now = self.now();
        let challenge = || {
            let challenge = self.inner.keys.load().binding.renewal_challenge(id, now);
            BindingError::Challenge(challenge.into())
        };
        let proof = proof.ok_or_else(challenge)?;
        let renewal = self.inner.keys.load().binding.renewal(proof, id, now);
        let renewal = renewal.map_err(|error| {
            log_refused(&error);
            challenge()
        })?;
        let mut current = self.load(id).await?;
        for _ in 0..ATTEMPTS {
            let session = current.ok_or_else(challenge)?;
            let Binding::Device(bound) = session.binding else {
                return Err(challenge());
            };
            renewal.verify(&bound.key).map_err(|error| {
                log_refused(&error);
                challenge()
            })?;
            if !session.is_live(now) {
                return Err(BindingError::Ended);
            }
            let required = self.inner.binding.mode == BindingMode::Require;
            let session = match session.binding.confirmed(required) {
                None => session,
                Some(to) => match self.bind(&session, to, now).await? {
                    Commit::Applied(session) => session,
                    Commit::Missed(other) => {
                        current = other;
                        continue;
                    }
                },
            };
            return Ok(self.bound(session, self.inner.binding.lifetime, now));
        }
        Err(BindingError::Contended)
    }

    /// Writes what the session is bound to from now on, and reports it if the key was not confirmed before.
    async fn bind(
        &self,
        session: &Session,
        to: Binding,
        at: UnixTime,
    ) -> Result<Commit, StoreError> {
        let (id, from) = (session.id, session.binding);
        let is_news = from.level().is_none() && to.level().is_some();
        let manager = self.clone();
        to_end(async move {
            let change = Change::Bind(Bind { id, from, to, at });
            let commit = manager.commit(&change).await?;
            if let Commit::Applied(session) = &commit
                && is_news
            {
                manager.report(EventKind::Bound, session, at);
            }
            Ok(commit)
        })
        .await
    }

    fn bound(&self, session: Committed<Session>, max_age: Duration, now: UnixTime) -> BoundSession {
        let generation = match session.binding {
            Binding::Device(bound) => bound.generation,
            Binding::Key(_) | Binding::Unbound => BindingGeneration::ANY,
        };
        let keys = self.inner.keys.load();
        let value = keys.binding.value(session.id, generation, max_age, now);
        let until = now + max_age + BoundValue::MARGIN;
        self.inner.feed.waiters.prove(session.id, until);
        let cookie = BoundCookie { value, max_age };
        BoundSession { session, cookie }
    }
}

/// Logs why a proof does not count.
fn log_refused(error: &ProofError) {
    tracing::debug!(target: PRODUCT, %error, "a browser's proof was refused");
}
