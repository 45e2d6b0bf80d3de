//! Uses of a session cookie: whether its session is live, and whether the deadline moves.

use token_core::session::{Committed, Denial, SessionToken};
use token_core::{PRODUCT, Session, UnixTime};

use super::SessionManager;
use super::settle::{Settled, Verdict};
use crate::erased::StoreError;
use crate::error::RefreshError;

/// A session that its cookie has proven.
#[derive(Debug)]
#[must_use]
pub struct CookieSession {
    session: Committed<Session>,
    token: SessionToken,
    slid: bool,
    at: UnixTime,
}

impl CookieSession {
    /// The session.
    pub const fn session(&self) -> &Committed<Session> {
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

    /// When the cookie was presented, by this node's clock.
    pub const fn at(&self) -> UnixTime {
        self.at
    }
}

impl SessionManager {
    /// Accepts a session cookie, and moves the session's idle deadline if the last move is longer
    /// ago than the touch interval.
    ///
    /// # Errors
    /// [`RefreshError::Denied`] with the reason; everything else is a fault of the server.
    pub async fn touch(&self, cookie: &str) -> Result<CookieSession, RefreshError> {
        self.accept_cookie(cookie, true).await
    }

    /// The same without moving the deadline: for a request that is not a use, such as a prefetch or a
    /// page that asks whether somebody is logged in.
    ///
    /// # Errors
    /// As [`touch`](Self::touch).
    pub async fn look(&self, cookie: &str) -> Result<CookieSession, RefreshError> {
        self.accept_cookie(cookie, false).await
    }

    async fn accept_cookie(
        &self,
        cookie: &str,
        moves: bool,
    ) -> Result<CookieSession, RefreshError> {
        let now = self.now();
        let token = Self::read_session_cookie(cookie)?;
        let id = token.untrusted_id();
        // Always read: a cookie proves nothing by itself, and most uses write nothing.
        let current = self.load(id).await?;
        let issuer = self.issuer();
        let (policy, keys) = (&issuer.policy, &issuer.refresh_keys);
        let decide = |session: &Committed<Session>| {
            Ok(match token.decide(session, policy, keys, now).into() {
                Verdict::Touch(accepted, _) if !moves => Verdict::Accept(accepted),
                verdict => verdict,
            })
        };
        let settled = self.settle(id, current, now, None, None, decide).await?;
        Ok(CookieSession {
            slid: matches!(settled, Settled::Slid(..)),
            session: settled.into_session(),
            token,
            at: now,
        })
    }

    /// Whether a cookie that was accepted is still the current one of a session that is live. Between
    /// the two the session may have been ended, or a step-up may have replaced the cookie.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be asked.
    pub async fn is_current(&self, cookie: &CookieSession) -> Result<bool, StoreError> {
        let row = self.load(cookie.session.id).await?;
        Ok(row.is_some_and(|row| {
            row.token_hash == cookie.session.token_hash && row.is_live(self.now())
        }))
    }

    /// Reads a session cookie. No I/O; the session that it names is proven by
    /// [`touch`](Self::touch) and the like.
    ///
    /// # Errors
    /// [`Denial::Malformed`] for every text that is not a cookie of ours; logged.
    pub fn read_session_cookie(text: &str) -> Result<SessionToken, Denial> {
        SessionToken::parse(text).map_err(|error| {
            tracing::debug!(target: PRODUCT, %error, "session cookie refused");
            Denial::Malformed
        })
    }
}
