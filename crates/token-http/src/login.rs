//! A login with a user name and a password: all of it except the check of the password.

use std::fmt;

use bytes::Bytes;
use http::Response;
use serde::Deserialize;
use token_core::binding::dpop::VerifiedProof;
use token_core::{ClientId, Subject, Transport};
use token_session::{LoginTicket, NewSession};

use crate::auth::Auth;
use crate::config::AuthConfig;
use crate::custom_login::CustomLogin;
use crate::head::Head;
use crate::json;
use crate::media_type::MediaType;
use crate::refusal::Refusal;
use crate::rejection::Rejection;
use crate::secret_text::SecretText;

/// A request to log in, which has passed the CSRF rule and the limit on attempts. The adapters'
/// types of this name wrap it.
#[must_use = "nobody is logged in yet"]
pub struct LoginRequest {
    login: CustomLogin,
    body: Body,
}

impl LoginRequest {
    /// Reads the request.
    ///
    /// # Errors
    /// [`Refusal::Csrf`], [`Refusal::UnsupportedMediaType`], [`Refusal::InvalidRequest`],
    /// [`Refusal::TooManyRequests`]; [`Refusal::InvalidDpopProof`] and [`Refusal::UseDpopNonce`], of which
    /// no attempt is counted.
    pub fn read(auth: &Auth, head: &Head<'_>, body_bytes: &[u8]) -> Result<Self, Rejection> {
        let login = CustomLogin::read(auth, head)?;
        let body = MediaType::Json.demand(head);
        let body = body.and_then(|()| json::parse::<Body>(body_bytes));
        let body = body.and_then(|body| body.checked_by(auth.config()));
        let body = body.and_then(|body| body.proven_by(auth, login.proof()));
        let body = body.map_err(|refusal| auth.refuse(refusal))?;
        login.attempt(&body.username)?;
        Ok(Self { login, body })
    }

    /// The user name as it was typed.
    pub fn username(&self) -> &str {
        &self.body.username
    }

    /// The password as it was typed. A secret.
    pub fn password(&self) -> &str {
        &self.body.password
    }

    /// Begins the login of a user, before the password is checked: a login that is overtaken by "end
    /// all sessions" must not open one.
    ///
    /// # Errors
    /// [`Refusal::InvalidCredentials`] if the text cannot be a subject,
    /// [`Refusal::TemporarilyUnavailable`] if the store cannot be asked.
    pub async fn begin(&self, subject: impl TryInto<Subject>) -> Result<LoginTicket, Rejection> {
        self.login.begin(subject).await
    }

    /// Begins the login of a user whose password was found right already, and asks once more whether that
    /// holds: see [`CustomLogin::begin_checked`].
    ///
    /// # Errors
    /// As [`begin`](Self::begin), [`Refusal::InvalidCredentials`] if it does not hold any more, and the error of
    /// `still_holds`.
    pub async fn begin_checked<E: From<Rejection>>(
        &self,
        subject: impl TryInto<Subject>,
        still_holds: impl Future<Output = Result<bool, E>>,
    ) -> Result<LoginTicket, E> {
        self.login.begin_checked(subject, still_holds).await
    }

    /// What the request says of the session: transport, client, device, and whether to remember
    /// the user.
    pub fn new_session(&self) -> NewSession {
        NewSession {
            client_id: self.body.client_id.clone(),
            transport: self.body.transport,
            remember: self.body.remember,
            device: self.login.device().clone(),
            ..NewSession::default()
        }
    }

    /// Opens the session once the password was found right, ends those whose cookies came with the
    /// request, and answers with the credentials.
    ///
    /// # Errors
    /// [`Refusal::TemporarilyUnavailable`] if the store cannot be asked, or if all sessions of the
    /// subject were ended since the login began. [`Refusal::ServerError`] if the tokens cannot
    /// be made.
    pub async fn open(
        &self,
        ticket: LoginTicket,
        session: NewSession,
    ) -> Result<Response<Bytes>, Rejection> {
        self.login.open(ticket, session).await
    }

    /// The answer to an unknown user and to a wrong password, which is the same.
    pub fn invalid_credentials(&self) -> Rejection {
        self.login.invalid_credentials()
    }
}

impl fmt::Debug for LoginRequest {
    /// Nothing of it is shown: people type passwords into the field of the name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginRequest").finish_non_exhaustive()
    }
}

/// The body of a login.
#[derive(Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Login))]
pub(crate) struct Body {
    username: String,
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = Password))]
    password: SecretText,
    /// Whether the session outlives the browser.
    #[serde(default, deserialize_with = "json::or_default")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<bool>))]
    remember: bool,
    /// How the session's credentials travel; by default the first of these.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<crate::openapi::schema::Offered>))]
    transport: Option<Transport>,
    /// The `client_id` of its tokens, one of those that are configured.
    #[serde(default)]
    #[cfg_attr(
        feature = "openapi",
        schema(value_type = Option<String>, pattern = "^[!-~]{1,64}$")
    )]
    client_id: Option<ClientId>,
}

impl Body {
    /// Checks that the client has sent a proof if it has to, and none that nothing can be bound to.
    /// Asked before the attempt is counted; `bind` asks once more, with what the application has chosen.
    fn proven_by(self, auth: &Auth, proof: Option<&VerifiedProof>) -> Result<Self, Refusal> {
        let transport = self.transport.unwrap_or(Transport::Header);
        auth.check_login(self.client_id.as_ref(), transport, proof)?;
        Ok(self)
    }

    /// Chooses the first transport on offer if the request asks for none. A transport or a client that
    /// is not configured is refused.
    fn checked_by(mut self, config: &AuthConfig) -> Result<Self, Refusal> {
        let offered = config.transports();
        self.transport = self.transport.or_else(|| offered.first().copied());
        if !self
            .transport
            .is_some_and(|transport| offered.contains(&transport))
        {
            let why = "the login asks for a transport that is not on offer";
            return Err(Refusal::InvalidRequest.because(why));
        }
        if self
            .client_id
            .as_ref()
            .is_some_and(|client| !config.has_client(client))
        {
            let why = "the login names a client that the settings do not: see `AuthConfigBuilder::client`";
            return Err(Refusal::InvalidRequest.because(why));
        }
        Ok(self)
    }
}
