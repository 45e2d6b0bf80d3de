//! Uses of a session cookie: whether its session is live, and whether the deadline moves.

use std::cell::Cell;
use std::sync::Arc;

use token_core::session::rule::{CookieDecision, SessionToken};
use token_core::session::{Committed, Denial};
use token_core::{PRODUCT, Session, SessionId, UnixTime};

use super::SessionManager;
use super::settle::{Changes, Settled, Verdict};
use crate::erased::StoreError;
use crate::error::RefreshError;
use crate::revocation_check::{RevocationCheck, WhenBehind};
use crate::session_cache::{Known, SessionCacheCounts};

/// A session that its cookie has proven.
#[derive(Debug)]
#[must_use]
pub struct CookieSession {
    session: Known,
    token: SessionToken,
    slid: bool,
    remembered: bool,
    at: UnixTime,
}

impl CookieSession {
    /// The session.
    pub fn session(&self) -> &Committed<Session> {
        &self.session
    }

    /// The cookie's value.
    pub const fn token(&self) -> &SessionToken {
        &self.token
    }

    /// Whether the deadline moved, so that the cookie has to be sent again.
    pub const fn slid(&self) -> bool {
        self.slid
    }

    /// Whether this node has only remembered the session: another may have ended or changed it a moment ago.
    /// [`SessionManager::current`] asks the store.
    pub const fn was_remembered(&self) -> bool {
        self.remembered
    }

    /// When the cookie was presented, by this node's clock.
    pub const fn at(&self) -> UnixTime {
        self.at
    }
}

impl SessionManager {
    /// Accepts a session cookie, and moves the session's idle deadline if the last move is longer
    /// ago than the touch interval.
    ///
    /// It shows no proof, so a session whose browser has confirmed a key under
    /// [`BindingMode::Require`](crate::binding::BindingMode::Require) is refused, whatever the policy is now: for
    /// such sessions use [`accept_cookie`](Self::accept_cookie).
    ///
    /// # Errors
    /// [`RefreshError::Denied`] with the reason; everything else is a fault of the server.
    pub async fn touch(&self, cookie: &str) -> Result<CookieSession, RefreshError> {
        self.accept_cookie(Self::read_session_cookie(cookie)?, true)
            .await
    }

    /// The same without moving the deadline: for a request that is not a use, such as a prefetch or a
    /// page that asks whether somebody is logged in.
    ///
    /// # Errors
    /// As [`touch`](Self::touch).
    pub async fn look(&self, cookie: &str) -> Result<CookieSession, RefreshError> {
        self.accept_cookie(Self::read_session_cookie(cookie)?, false)
            .await
    }

    /// Accepts a session cookie that was read before, with what its request proves beside it. `moves` says
    /// whether that is a use, which moves the deadline.
    ///
    /// # Errors
    /// As [`touch`](Self::touch).
    pub async fn accept_cookie(
        &self,
        token: SessionToken,
        moves: bool,
    ) -> Result<CookieSession, RefreshError> {
        let now = self.now();
        let id = token.untrusted_id;
        let decided = |session: Known| {
            let keys = self.inner.keys.load();
            let issuer = &keys.issuer;
            let decision = token.decide(&session, &issuer.policy, &issuer.refresh_keys, now);
            (session, decision)
        };
        let as_it_is = |session, token, remembered| CookieSession {
            session,
            token,
            slid: false,
            remembered,
            at: now,
        };
        let remembered = self.remembered(id, now)?.map(decided);
        let was_known = remembered.is_some();
        let known = match remembered {
            Some((session, CookieDecision::Accept(touch))) if touch.is_none() || !moves => {
                return Ok(as_it_is(session, token, true));
            }
            // Whatever would not accept it is decided on the session in the store.
            known => known.filter(|(_, decision)| matches!(decision, CookieDecision::Accept(_))),
        };
        // Before the store is asked: what is heard from here on is newer.
        let load = self.inner.feed.begin_load(id, now);
        let read = known.is_none();
        let found = match known {
            Some(known) => Some(known),
            None => self.load_shared(id).await?.map(decided),
        };
        let found = match found {
            Some((session, CookieDecision::Accept(touch))) if touch.is_none() || !moves => {
                if let Some(load) = load {
                    self.inner.feed.finish_load(&load, &session, now);
                }
                return Ok(as_it_is(session, token, false));
            }
            // The write that moves the deadline asks the store.
            found => found,
        };
        let (session, decision) = found.unzip();
        let current = session.map(Arc::unwrap_or_clone);
        let issuer = self.issuer();
        let (policy, keys) = (&issuer.policy, &issuer.refresh_keys);
        // The first one is made already.
        let (first, shown) = (Cell::new(decision), &token);
        let decide = move |session: &Committed<Session>| {
            let decision = first.take();
            let decision = decision.unwrap_or_else(|| shown.decide(session, policy, keys, now));
            Ok(match decision.into() {
                Verdict::Touch(accepted, _) if !moves => Verdict::Accept(accepted),
                verdict => verdict,
            })
        };
        // Behind a pointer: the usual request need not have the room for what is written.
        let settled = self.settle(id, current, now, Changes::Nothing, None, decide);
        let settled = Box::pin(settled).await;
        if was_known
            && let Err(RefreshError::Denied(denial)) = &settled
            && !matches!(denial, Denial::Malformed)
        {
            // The store knows more than what is remembered. A cookie that was made up proves nothing.
            self.inner.feed.sessions().forget(id);
        }
        let settled = settled?;
        let slid = matches!(settled, Settled::Slid(..));
        let session = Arc::new(settled.into_session());
        // What is remembered is not as good as read because its deadline could not be moved.
        if let Some(load) = load.filter(|_| read || slid) {
            self.inner.feed.finish_load(&load, &session, now);
        }
        Ok(CookieSession {
            session,
            token,
            slid,
            remembered: !read && !slid,
            at: now,
        })
    }

    /// A session as this node remembers it, if it does and nothing says that it has changed.
    fn remembered(&self, id: SessionId, now: UnixTime) -> Result<Option<Known>, RefreshError> {
        let feed = &self.inner.feed;
        if !feed.sessions().is_on() {
            return Ok(None);
        }
        // First: what was heard by then has been forgotten when it is asked for.
        if feed.is_complete(now) {
            return Ok(feed.sessions().get(id, now));
        }
        match self.inner.check {
            RevocationCheck::Feed(WhenBehind::Refuse) => Err(RefreshError::Behind),
            _ => Ok(None),
        }
    }

    /// How well the cache of sessions does; see
    /// [`session_cache`](super::SessionManagerBuilder::session_cache).
    pub fn session_cache_counts(&self) -> SessionCacheCounts {
        self.inner.feed.sessions().counts()
    }

    /// Whether a cookie that was accepted is still the current one of a session that is live. Between
    /// the two the session may have been ended, or a step-up may have replaced the cookie.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be asked.
    pub async fn is_current(&self, cookie: &CookieSession) -> Result<bool, StoreError> {
        Ok(self.current(cookie).await?.is_some())
    }

    /// The session of a cookie that was accepted, as the store has it now; `None` if it has ended since, or if
    /// the cookie is not its current one any more. For what somebody who was logged out must not do, not even in
    /// the moment in which this node still [remembers](CookieSession::was_remembered) the session.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be asked.
    pub async fn current(
        &self,
        cookie: &CookieSession,
    ) -> Result<Option<Committed<Session>>, StoreError> {
        let id = cookie.session.id;
        let row = self.load(id).await?;
        let current = row
            .filter(|row| row.token_hash == cookie.session.token_hash && row.is_live(self.now()));
        if current.is_none() {
            self.inner.feed.sessions().forget(id);
        }
        Ok(current)
    }

    /// Reads a session cookie. No I/O; the session that it names is proven by
    /// [`touch`](Self::touch) and the like.
    ///
    /// # Errors
    /// [`Denial::Malformed`] for every text that is not a cookie of ours; logged.
    pub fn read_session_cookie(text: &str) -> Result<SessionToken, Denial> {
        text.parse::<SessionToken>().map_err(|error| {
            tracing::debug!(target: PRODUCT, %error, "session cookie refused");
            Denial::Malformed
        })
    }
}
