//! A step-up or a change of password that has begun.

use std::fmt;
use std::sync::Arc;

use token_core::Session;

use crate::auth::Auth;
use crate::head::{Head, OwnedHead};
use crate::refusal::Refusal;
use crate::rejection::Rejection;
use crate::renewal::proven::Proven;

/// A step-up or a change of password that has begun: the request has presented the credential of a session,
/// and its user has not proven again who they are.
#[derive(Clone)]
#[must_use = "nothing is renewed yet"]
pub struct RenewalTicket(Arc<Proven>);

impl RenewalTicket {
    /// The session, which says whose proof it has to be.
    pub fn session(&self) -> &Session {
        self.0.session()
    }

    pub(super) fn proven(&self) -> Arc<Proven> {
        Arc::clone(&self.0)
    }
}

impl fmt::Debug for RenewalTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f, "RenewalTicket")
    }
}

/// A request of which only the head was read.
pub(super) struct Unread {
    pub(super) auth: Auth,
    head: OwnedHead,
}

impl Unread {
    /// # Errors
    /// [`Refusal::InvalidRequest`] for more than 4 of our cookies.
    pub(super) fn read(auth: &Auth, head: &Head<'_>) -> Result<Self, Rejection> {
        let few = head.sent_cookies(auth.config().cookie_names()).few();
        few.map_err(|refusal: Refusal| auth.refuse(refusal))?;
        Ok(Self {
            auth: auth.clone(),
            head: OwnedHead::of(head),
        })
    }

    /// Finds the session of the refresh token, or without one of a cookie, and counts an attempt.
    pub(super) async fn begin(
        &self,
        refresh_token: Option<&str>,
    ) -> Result<RenewalTicket, Rejection> {
        let proven = Proven::find(&self.auth, &self.head.borrow(), refresh_token).await?;
        Ok(RenewalTicket(Arc::new(proven)))
    }
}
