//! A step-up with any proof: a form, a passkey, a one-time code, the return from another site.

use std::fmt;

use bytes::Bytes;
use http::Response;
use token_core::UnixTime;
use token_session::StepUp;

use crate::auth::Auth;
use crate::head::Head;
use crate::redirect;
use crate::refusal::Refusal;
use crate::rejection::Rejection;
use crate::renewal::ticket::{RenewalTicket, Unread};

/// A step-up whose proof the handler checks: an HTML form, a passkey, a one-time code, or the return from
/// another site. The body of the request has not been read. The adapters' types of this name wrap it.
#[must_use = "nothing is renewed yet"]
pub struct CustomStepUp(Unread);

impl CustomStepUp {
    /// Reads the request, without its body.
    ///
    /// # Errors
    /// [`Refusal::InvalidRequest`] for more than 4 of our cookies.
    pub fn read(auth: &Auth, head: &Head<'_>) -> Result<Self, Rejection> {
        Unread::read(auth, head).map(Self)
    }

    /// Begins the step-up: finds the session of the refresh token or, without one, of a cookie that came
    /// with the request, and counts an attempt. An access token alone is not enough. Call it before the
    /// proof is checked, and change nothing before: a request with a cookie has to pass the CSRF rule here.
    ///
    /// # Errors
    /// As [`StepUpRequest::read`](crate::StepUpRequest::read).
    pub async fn begin(&self, refresh_token: Option<&str>) -> Result<RenewalTicket, Rejection> {
        self.0.begin(refresh_token).await
    }

    /// The time by the server's clock, for [`Authentication`](token_core::Authentication).
    pub fn at(&self) -> UnixTime {
        self.0.auth.manager().now()
    }

    /// Counts one more attempt, for a handler that checks several proofs which can be guessed. The request
    /// itself was counted when the step-up began.
    ///
    /// # Errors
    /// [`Refusal::TooManyRequests`] if the application's limit says so.
    pub fn attempt(&self, ticket: &RenewalTicket) -> Result<(), Rejection> {
        ticket.proven().attempt()
    }

    /// Renews the session's credential with the new authentication, once the user has proven who they are,
    /// and answers with it.
    ///
    /// # Errors
    /// As [`StepUpRequest::renew`](crate::StepUpRequest::renew).
    pub async fn renew(
        &self,
        ticket: &RenewalTicket,
        step_up: impl Into<StepUp>,
    ) -> Result<Response<Bytes>, Rejection> {
        ticket.proven().step_up(step_up.into()).await
    }

    /// The same for a browser that followed a link or sent a form: 303 to this address, with the cookie.
    ///
    /// # Errors
    /// As [`renew`](Self::renew), and [`Refusal::ServerError`] if the address
    /// cannot stand in a header or the session is one of transport `header`, since a redirect has no body
    /// for tokens.
    pub async fn redirect(
        &self,
        ticket: &RenewalTicket,
        step_up: impl Into<StepUp>,
        to: &str,
    ) -> Result<Response<Bytes>, Rejection> {
        let answer = redirect::for_session(ticket.session().transport, to)?;
        let renewed = self.renew(ticket, step_up).await?;
        Ok(redirect::with_cookies_of(answer, &renewed))
    }

    /// The answer to a wrong proof. Nothing has changed.
    pub fn invalid_credentials(&self) -> Rejection {
        self.0.auth.reject(Refusal::InvalidCredentials)
    }
}

impl fmt::Debug for CustomStepUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomStepUp").finish_non_exhaustive()
    }
}
