//! A change of password, with both passwords in JSON.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use serde::Deserialize;
use token_core::{Session, UnixTime};
use token_session::StepUp;

use crate::auth::Auth;
use crate::head::Head;
use crate::rejection::Rejection;
use crate::renewal::body;
use crate::renewal::proven::Proven;
use crate::secret_text::SecretText;

/// A request to change the password, with a refresh token or session cookie that is valid. The
/// adapters' types of this name wrap it.
#[must_use = "nothing is changed yet"]
pub struct PasswordRequest {
    proven: Arc<Proven>,
    password: SecretText,
    new_password: SecretText,
}

impl PasswordRequest {
    /// Reads the request and finds the session. An access token alone is not enough.
    ///
    /// # Errors
    /// As [`StepUpRequest::read`](crate::StepUpRequest::read).
    pub async fn read(auth: &Auth, head: &Head<'_>, body: &[u8]) -> Result<Self, Rejection> {
        let body: PasswordBody = body::read(auth, head, body)?;
        let proven = Proven::find(auth, head, body.refresh_token.as_deref()).await?;
        Ok(Self {
            proven: proven.into(),
            password: body.password,
            new_password: body.new_password,
        })
    }

    /// The session, which says whose password it is.
    pub fn session(&self) -> &Session {
        self.proven.session()
    }

    /// The present password as it was typed. A secret.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The new password as it was typed. A secret.
    pub fn new_password(&self) -> &str {
        &self.new_password
    }

    /// The time of the request, for [`Authentication`](token_core::Authentication).
    pub fn at(&self) -> UnixTime {
        self.proven.at()
    }

    /// Ends every other session of the subject and renews this one's credential. Store the
    /// new password first.
    ///
    /// # Errors
    /// As [`StepUpRequest::read`](crate::StepUpRequest::read), but [`Refusal::GatewayTimeout`](crate::Refusal::GatewayTimeout) if
    /// the store fails: the password is stored, and the other sessions may have been ended or not. The client asks again. If this session has ended since the request was
    /// read, or has another credential, every session of the subject is ended: the new password is
    /// stored, and somebody else may have ended this one. [`Refusal::Unbound`](crate::Refusal::Unbound) if its browser has used a key
    /// since; then it goes on, and the others are ended.
    pub async fn changed(&self, step_up: impl Into<StepUp>) -> Result<Response<Bytes>, Rejection> {
        Arc::clone(&self.proven)
            .password_changed(step_up.into())
            .await
    }

    /// Counts one more attempt at the session's password, for a handler that tries another password
    /// than the present one. The request itself was counted when it was read.
    ///
    /// # Errors
    /// [`Refusal::TooManyRequests`](crate::Refusal::TooManyRequests) if the application's limit says so.
    pub fn attempt(&self) -> Result<(), Rejection> {
        self.proven.attempt()
    }

    /// The answer to a wrong present password. Nothing has changed.
    pub fn invalid_credentials(&self) -> Rejection {
        self.proven.invalid_credentials()
    }

    /// The answer to a new password that the application does not accept.
    pub fn unacceptable(&self) -> Rejection {
        self.proven.unacceptable()
    }
}

impl fmt::Debug for PasswordRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.proven.fmt(f, "PasswordRequest")
    }
}

/// Both passwords; in transport `header` also the refresh token.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = ChangePassword))]
pub(crate) struct PasswordBody {
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = Password))]
    password: SecretText,
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = Password))]
    new_password: SecretText,
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    refresh_token: Option<SecretText>,
}
