//! A change of password with any proof: a form, a passkey, a one-time code.

use std::fmt;

use bytes::Bytes;
use http::Response;
use token_core::UnixTime;
use token_session::{StepUp, to_end};

use crate::auth::Auth;
use crate::head::Head;
use crate::redirect;
use crate::refusal::Refusal;
use crate::rejection::Rejection;
use crate::renewal::ticket::{RenewalTicket, Unread};

/// A change of password whose proof the handler checks: an HTML form with both passwords, a passkey, or a
/// one-time code. The body of the request has not been read. The adapters' types of this name wrap it.
#[must_use = "nothing is changed yet"]
pub struct CustomPassword(Unread);

impl CustomPassword {
    /// Reads the request, without its body.
    ///
    /// # Errors
    /// [`Refusal::InvalidRequest`] for more than 4 of our cookies.
    pub fn read(auth: &Auth, head: &Head<'_>) -> Result<Self, Rejection> {
        Unread::read(auth, head).map(Self)
    }

    /// Begins the change: finds the session of the refresh token or, without one, of a cookie that came
    /// with the request, and counts an attempt. An access token alone is not enough. Call it before the
    /// proof is checked, and change nothing before: a request with a cookie has to pass the CSRF rule here.
    ///
    /// # Errors
    /// As [`PasswordRequest::read`](crate::PasswordRequest::read).
    pub async fn begin(&self, refresh_token: Option<&str>) -> Result<RenewalTicket, Rejection> {
        self.0.begin(refresh_token).await
    }

    /// The time by the server's clock, for [`Authentication`](token_core::Authentication).
    pub fn at(&self) -> UnixTime {
        self.0.auth.manager().now()
    }

    /// Counts one more attempt, for a handler that checks several proofs which can be guessed. The request
    /// itself was counted when the change began.
    ///
    /// # Errors
    /// [`Refusal::TooManyRequests`] if the application's limit says so.
    pub fn attempt(&self, ticket: &RenewalTicket) -> Result<(), Rejection> {
        ticket.proven().attempt()
    }

    /// Stores the new password with `store`, then ends every other session of the subject, renews the
    /// credential of this one, and answers with it: all in a task of its own, which goes on if the client
    /// closes the connection. If `store` fails, nothing else is done.
    ///
    /// # Errors
    /// The inner ones are those of `store`; the outer ones are as those of
    /// [`PasswordRequest::changed`](crate::PasswordRequest::changed).
    pub async fn changed<E: Send + 'static>(
        &self,
        ticket: &RenewalTicket,
        step_up: impl Into<StepUp>,
        store: impl Future<Output = Result<(), E>> + Send + 'static,
    ) -> Result<Result<Response<Bytes>, E>, Rejection> {
        let (proven, step_up) = (ticket.proven(), step_up.into());
        to_end(async move {
            match store.await {
                Ok(()) => proven.password_changed(step_up).await.map(Ok),
                Err(error) => Ok(Err(error)),
            }
        })
        .await
    }

    /// The same for a browser that sent a form: 303 to this address, with the cookie.
    ///
    /// # Errors
    /// As [`changed`](Self::changed), and [`Refusal::ServerError`] if the address cannot stand in a header or
    /// the session is one of transport `header`, since a redirect has no body for tokens. In both cases
    /// nothing has changed.
    pub async fn redirect<E: Send + 'static>(
        &self,
        ticket: &RenewalTicket,
        step_up: impl Into<StepUp>,
        to: &str,
        store: impl Future<Output = Result<(), E>> + Send + 'static,
    ) -> Result<Result<Response<Bytes>, E>, Rejection> {
        let answer = redirect::for_session(ticket.session().transport, to)?;
        let changed = self.changed(ticket, step_up, store).await?;
        Ok(changed.map(|changed| redirect::with_cookies_of(answer, &changed)))
    }

    /// The answer to a wrong proof. Nothing has changed.
    pub fn invalid_credentials(&self) -> Rejection {
        self.0.auth.reject(Refusal::InvalidCredentials)
    }

    /// The answer to a new password that the application does not accept.
    pub fn unacceptable(&self) -> Rejection {
        let why = "the application does not accept the new password";
        self.0.auth.refuse(Refusal::InvalidRequest.because(why))
    }
}

impl fmt::Debug for CustomPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomPassword").finish_non_exhaustive()
    }
}
