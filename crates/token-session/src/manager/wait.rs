//! Waits for the end of a session: for connections that outlive their request.

use std::pin::pin;
use std::time::Duration;

use rand::RngExt as _;
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use token_core::binding::Proof;
use token_core::{PRODUCT, Session, SessionId, Transport, UnixTime};
use tracing::debug;

use super::SessionManager;
use crate::binding::BindingMode;
use crate::revocation_check::{RevocationCheck, WhenBehind};

/// How often one who waits looks whether the view is complete, and asks the store if it is not.
const LOOK: Duration = Duration::from_secs(5);

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "by itself, by somebody, or for this connection alone"
)]
pub enum SessionEnd {
    /// A deadline was reached.
    Expired,
    /// Somebody ended it: a logout, a reuse, an administrator.
    Revoked,
    /// The session goes on, but its browser has not proven its key for one lifetime of a bound cookie
    /// ([`BindingMode::Require`](crate::binding::BindingMode::Require)), as far as this node knows. The
    /// connection may be one of somebody who has copied the cookies: close it. The browser opens another, for
    /// which it renews its bound cookie.
    Unbound,
}

impl SessionManager {
    /// Waits for the end of a session: for WebSockets, server-sent events and everything else
    /// that outlives the request that was authenticated. It ends when this node hears of the
    /// ending, by the same [`RevocationCheck`] as requests, or at the session's deadline.
    ///
    /// `known_until` is until when the caller is known to be let in: the expiry of an access token,
    /// or the deadline of a session, or [`known_until`](Self::known_until) of it and a bound cookie. The store is asked then, and again at each deadline that has
    /// moved meanwhile. While the feed is behind the store is asked each 5 seconds, unless the
    /// policy is to accept; with [`RevocationCheck::Store`] always; with [`RevocationCheck::None`]
    /// only what this node ends is noticed. A store that cannot be asked ends nothing.
    ///
    /// If the policy is [`BindingMode::Require`], a session that is bound
    /// to its browser ends for this caller at `known_until`, unless this node has renewed its bound cookie since,
    /// or has seen a newer one in a request; then it is when that one ends.
    ///
    /// It borrows nothing and spawns nothing: dropped, it is gone.
    pub fn ended(
        &self,
        session: SessionId,
        known_until: UnixTime,
    ) -> impl Future<Output = SessionEnd> + Send + use<> {
        let manager = self.clone();
        async move { manager.wait_for_end(session, known_until).await }
    }

    async fn wait_for_end(&self, session: SessionId, known_until: UnixTime) -> SessionEnd {
        let feed = &self.inner.feed;
        let waiter = feed.waiters.join(session);
        // What was ended before this is in the view; without a view, the store knows.
        let mut ask_store = self.inner.check == RevocationCheck::Store;
        let mut ended = pin!(waiter.end().notified());
        // From here on an ending is noticed, also during what follows.
        ended.as_mut().enable();
        let mut until = known_until;
        loop {
            let by_view = matches!(self.inner.check, RevocationCheck::Feed(_));
            if by_view && feed.contains(session) {
                return SessionEnd::Revoked;
            }
            let now = self.now();
            if now >= until || ask_store {
                match self.load(session).await {
                    Ok(Some(row)) if row.is_live(now) => {
                        let proven_until = known_until.max(waiter.proven_until());
                        match self.look_again(&row, proven_until, now) {
                            Some(again) => until = again,
                            None => return SessionEnd::Unbound,
                        }
                    }
                    Ok(Some(row)) if row.revocation.is_none() => return SessionEnd::Expired,
                    Ok(_) => return SessionEnd::Revoked,
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        debug!(
                            target: PRODUCT,
                            error, %session, "the store could not say whether a session has ended"
                        );
                    }
                }
            }
            let look = LOOK.mul_f64(UnwrapErr(SysRng).random_range(0.8..=1.0));
            let left = until.since(self.now()).max(Duration::from_secs(1));
            tokio::select! {
                () = &mut ended => return SessionEnd::Revoked,
                () = tokio::time::sleep(look.min(left)) => {}
            }
            ask_store = match self.inner.check {
                RevocationCheck::Feed(WhenBehind::AskStore | WhenBehind::Refuse) => {
                    !feed.is_complete(self.now())
                }
                RevocationCheck::Feed(WhenBehind::Accept) | RevocationCheck::None => false,
                RevocationCheck::Store => true,
            };
        }
    }

    /// When a live session has to be read again, if its browser was last seen to have its key until
    /// `proven_until`; `None` if it has to prove it, and did not.
    fn look_again(
        &self,
        session: &Session,
        proven_until: UnixTime,
        now: UnixTime,
    ) -> Option<UnixTime> {
        let policy = self.inner.binding;
        let bindable = session.transport != Transport::Header;
        let until = if policy.mode != BindingMode::Require || !bindable {
            return Some(session.expires_at());
        } else if session.binding.check(Proof::default()).is_err() {
            Some(proven_until).filter(|until| now < *until)?
        } else {
            // It may be bound later, and then by its browser.
            now + policy.lifetime
        };
        Some(until.min(session.expires_at()))
    }
}
