//! A step-up with a password in JSON.

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

/// A request to authenticate again in a session, with a refresh token or session cookie that is valid.
/// The adapters' types of this name wrap it.
#[must_use = "nothing is renewed yet"]
pub struct StepUpRequest {
    proven: Arc<Proven>,
    password: SecretText,
}

impl StepUpRequest {
    /// Reads the request and finds the session. An access token alone is not enough.
    ///
    /// # Errors
    /// [`Refusal::Csrf`](crate::Refusal::Csrf) and [`Refusal::InvalidRequest`](crate::Refusal::InvalidRequest);
    /// [`Refusal::UnsupportedMediaType`](crate::Refusal::UnsupportedMediaType);
    /// [`Refusal::InvalidGrant`](crate::Refusal::InvalidGrant) as at the refresh route;
    /// [`Refusal::TooManyRequests`](crate::Refusal::TooManyRequests) if the application's limit says so;
    /// [`Refusal::TemporarilyUnavailable`](crate::Refusal::TemporarilyUnavailable) if the store cannot be asked.
    pub async fn read(auth: &Auth, head: &Head<'_>, body: &[u8]) -> Result<Self, Rejection> {
        let body: StepUpBody = body::read(auth, head, body)?;
        let proven = Proven::find(auth, head, body.refresh_token.as_deref()).await?;
        Ok(Self {
            proven: proven.into(),
            password: body.password,
        })
    }

    /// The session, which says whose password it has to be.
    pub fn session(&self) -> &Session {
        self.proven.session()
    }

    /// The password as it was typed. A secret.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The time of the request, for [`Authentication`](token_core::Authentication).
    pub fn at(&self) -> UnixTime {
        self.proven.at()
    }

    /// Renews the session's credential with the new authentication, once the password was found
    /// right, and answers with it.
    ///
    /// # Errors
    /// As [`read`](Self::read): the session may have ended meanwhile. And
    /// [`Refusal::GatewayTimeout`](crate::Refusal::GatewayTimeout) if the store does not confirm the write.
    pub async fn renew(&self, step_up: impl Into<StepUp>) -> Result<Response<Bytes>, Rejection> {
        Arc::clone(&self.proven).step_up(step_up.into()).await
    }

    /// The answer to a wrong password. Nothing has changed.
    pub fn invalid_credentials(&self) -> Rejection {
        self.proven.invalid_credentials()
    }
}

impl fmt::Debug for StepUpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.proven.fmt(f, "StepUpRequest")
    }
}

/// The password; in transport `header` also the refresh token.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = StepUp))]
pub(crate) struct StepUpBody {
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = Password))]
    password: SecretText,
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    refresh_token: Option<SecretText>,
}
