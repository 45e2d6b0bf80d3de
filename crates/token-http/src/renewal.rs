//! A step-up and a change of password: all of it except the check of the password.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use token_core::binding::Binding;
use token_core::binding::dpop::{ProofOwner, VerifiedProof};
use token_core::session::{Committed, Denial};
use token_core::{Authentication, RevokeReason, Session, SessionId, Transport, UnixTime};
use token_session::{RefreshError, SessionCredential, SessionManager, ShownCookie, to_end};

use crate::auth::Auth;
use crate::binding;
use crate::cookies::{Kind, RequestCookies};
use crate::csrf;
use crate::head::Head;
use crate::json;
use crate::limit::AttemptKind;
use crate::media_type::MediaType;
use crate::refusal::Refusal;
use crate::rejection::Rejection;
use crate::route::refresh;
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
    /// [`Refusal::Csrf`], [`Refusal::UnsupportedMediaType`], [`Refusal::InvalidRequest`];
    /// [`Refusal::InvalidGrant`] as at the refresh route; [`Refusal::TooManyRequests`];
    /// [`Refusal::TemporarilyUnavailable`] if the store cannot be asked.
    pub async fn read(auth: &Auth, head: &Head<'_>, body: &[u8]) -> Result<Self, Rejection> {
        let body: StepUpBody = parse(auth, head, body)?;
        let proven = Proven::find(auth, head, body.refresh_token).await?.into();
        let password = body.password;
        Ok(Self { proven, password })
    }

    /// The session, which says whose password it has to be.
    pub fn session(&self) -> &Session {
        &self.proven.session
    }

    /// The password as it was typed. A secret.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The time of the request, for [`Authentication`].
    pub fn at(&self) -> UnixTime {
        self.proven.at
    }

    /// Renews the session's credential with the new authentication, once the password was found
    /// right, and answers with it.
    ///
    /// # Errors
    /// As [`read`](Self::read): the session may have ended meanwhile.
    pub async fn renew(
        &self,
        authentication: Authentication,
    ) -> Result<Response<Bytes>, Rejection> {
        let proven = Arc::clone(&self.proven);
        to_end(async move {
            let manager = proven.auth.manager();
            let issued = manager.step_up(&proven.credential, authentication);
            let issued = issued.await?;
            proven.observe(issued.session());
            Ok(proven.auth.answer_authenticated(&issued))
        })
        .await
    }

    /// The answer to a wrong password. Nothing has changed.
    pub fn invalid_credentials(&self) -> Rejection {
        self.proven.auth.reject(Refusal::InvalidCredentials)
    }
}

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
    /// As [`StepUpRequest::read`].
    pub async fn read(auth: &Auth, head: &Head<'_>, body: &[u8]) -> Result<Self, Rejection> {
        let body: PasswordBody = parse(auth, head, body)?;
        Ok(Self {
            proven: Proven::find(auth, head, body.refresh_token).await?.into(),
            password: body.password,
            new_password: body.new_password,
        })
    }

    /// The session, which says whose password it is.
    pub fn session(&self) -> &Session {
        &self.proven.session
    }

    /// The present password as it was typed. A secret.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The new password as it was typed. A secret.
    pub fn new_password(&self) -> &str {
        &self.new_password
    }

    /// The time of the request, for [`Authentication`].
    pub fn at(&self) -> UnixTime {
        self.proven.at
    }

    /// Ends every other session of the subject and renews this one's credential. Store the
    /// new password first.
    ///
    /// # Errors
    /// As [`StepUpRequest::read`]. If the store cannot be asked, the other sessions may have been
    /// ended already or not; the client asks again. If this session has ended since the request was
    /// read, or has another credential, every session of the subject is ended: the new password is
    /// stored, and somebody else may have ended this one. [`Refusal::Unbound`] if its browser has used a key
    /// since; then it goes on, and the others are ended.
    pub async fn changed(
        &self,
        authentication: Authentication,
    ) -> Result<Response<Bytes>, Rejection> {
        let proven = Arc::clone(&self.proven);
        to_end(async move {
            let manager = proven.auth.manager();
            let issued = manager.password_changed(Arc::clone(&proven.credential), authentication);
            let issued = issued.await;
            let (session, reason) = (&proven.session, RevokeReason::PasswordChanged);
            match &issued {
                // The browser has begun to use a key since, and asks again with its proof.
                Err(RefreshError::Denied(Denial::Unbound(_))) => {
                    manager
                        .revoke_others(&session.subject, session.id, reason)
                        .await?;
                }
                Err(RefreshError::Denied(_)) => {
                    manager.revoke_all(&session.subject, reason).await?;
                }
                Ok(issued) => proven.observe(issued.session()),
                Err(_) => {}
            }
            Ok(proven.auth.answer_authenticated(&issued?))
        })
        .await
    }

    /// Counts one more attempt at the session's password, for a handler that tries another password
    /// than the present one. The request itself was counted when it was read.
    ///
    /// # Errors
    /// [`Refusal::TooManyRequests`] if the application's limit says so.
    pub fn attempt(&self) -> Result<(), Rejection> {
        let Proven { auth, session, .. } = &*self.proven;
        let kind = AttemptKind::Reauthenticate(&session.subject);
        let noted = auth.note_attempt_from(self.proven.address, kind);
        noted.map_err(|refusal| auth.refuse(refusal))
    }

    /// The answer to a wrong present password. Nothing has changed.
    pub fn invalid_credentials(&self) -> Rejection {
        self.proven.auth.reject(Refusal::InvalidCredentials)
    }

    /// The answer to a new password that the application does not accept.
    pub fn unacceptable(&self) -> Rejection {
        let why = "the application does not accept the new password";
        self.proven
            .auth
            .refuse(Refusal::InvalidRequest.because(why))
    }
}

impl fmt::Debug for StepUpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.proven.fmt(f, "StepUpRequest")
    }
}

impl fmt::Debug for PasswordRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.proven.fmt(f, "PasswordRequest")
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

fn parse<T: DeserializeOwned>(auth: &Auth, head: &Head<'_>, body: &[u8]) -> Result<T, Rejection> {
    let media = MediaType::Json.demand(head);
    let parsed = media.and_then(|()| json::parse(body));
    parsed.map_err(|refusal| auth.refuse(refusal))
}

/// A session that the request has proven, by a valid refresh token or session cookie.
struct Proven {
    auth: Auth,
    session: Committed<Session>,
    credential: Arc<SessionCredential>,
    shown: Option<ShownCookie>,
    address: Option<IpAddr>,
    at: UnixTime,
}

impl Proven {
    async fn find(
        auth: &Auth,
        head: &Head<'_>,
        refresh_token: Option<SecretText>,
    ) -> Result<Self, Rejection> {
        let at = auth.manager().now();
        let address = auth.client_address(head);
        let cookies = head.cookies(auth.config().cookie_names());
        let candidates = candidates(auth, &cookies, head, refresh_token.as_ref());
        let mut rejection = None;
        for candidate in candidates.map_err(|refusal| auth.refuse(refusal))? {
            let (mut credential, proof) = match candidate.read(auth, head) {
                Ok(credential) => credential,
                Err(refusal) => {
                    rejection = Some(auth.refuse(refusal));
                    continue;
                }
            };
            let (id, shown) = show(auth, head, &mut credential);
            match auth.manager().begin_step_up(&credential).await {
                Ok(session) => {
                    let kind = AttemptKind::Reauthenticate(&session.subject);
                    let noted = auth.note_attempt_from(address, kind);
                    noted.map_err(|refusal| auth.refuse(refusal))?;
                    // Only now: nobody takes room for what is remembered but who has the session's key.
                    if let (Binding::Key(_), Some(proof)) = (session.binding, proof) {
                        let used = auth.use_proof(&proof, ProofOwner::Renewal(session.id));
                        used.map_err(|refusal| auth.refuse(refusal))?;
                    }
                    let auth = auth.clone();
                    return Ok(Self {
                        auth,
                        session,
                        credential: Arc::new(credential),
                        shown,
                        address,
                        at,
                    });
                }
                Err(error @ RefreshError::Denied(_)) => {
                    rejection = Some(binding::refused(error, id, |error| match candidate {
                        Candidate::Refresh(_, Transport::Header) => Rejection::of_grant(error),
                        _ => error.into(),
                    }));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(rejection.unwrap_or_else(|| {
            let why = "there is no refresh token in the body, and no refresh or session cookie";
            auth.refuse(Refusal::InvalidRequest.because(why))
        }))
    }

    /// Reports what would have been refused if the policy were to require proofs.
    fn observe(&self, session: &Session) {
        if let Some(shown) = &self.shown {
            self.auth.manager().observe(shown, session);
        }
    }

    fn fmt(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        f.debug_struct(name)
            .field("session", &self.session.id)
            .finish_non_exhaustive()
    }
}

/// Puts what the request shows of the bound cookie into a credential that came in a cookie.
fn show(
    auth: &Auth,
    head: &Head<'_>,
    credential: &mut SessionCredential,
) -> (SessionId, Option<ShownCookie>) {
    let (id, proof) = match credential {
        SessionCredential::Refresh(token) if token.transport == Transport::Header => {
            return (token.session_id, None);
        }
        SessionCredential::Refresh(token) => (token.session_id, &mut token.proof),
        SessionCredential::Session(token) => (token.untrusted_id(), &mut token.proof),
    };
    let shown = binding::shown(auth, head, id);
    *proof = shown.proof();
    (id, Some(shown))
}

/// A credential to try, as it came with the request.
enum Candidate<'a> {
    Refresh(&'a str, Transport),
    Session(&'a str),
}

impl Candidate<'_> {
    /// Verifies the credential, once for everything that follows.
    fn read(
        &self,
        auth: &Auth,
        head: &Head<'_>,
    ) -> Result<(SessionCredential, Option<VerifiedProof>), Refusal> {
        match self {
            Self::Refresh(token, carrier) => {
                let mut claims = refresh::verify(auth, *carrier, token)?;
                let proof = refresh::prove(auth, head, &mut claims)?;
                Ok((SessionCredential::Refresh(claims), proof))
            }
            Self::Session(cookie) => SessionManager::read_session_cookie(cookie)
                .map(|token| (SessionCredential::Session(token), None))
                .map_err(|denial| Refusal::InvalidGrant(denial.reason()).because(&denial)),
        }
    }
}

/// The credentials to try. A token in the body is the client's choice. Without one, a browser may have
/// both cookies, and the session of the older one may have ended: only a logout deletes a cookie.
fn candidates<'a>(
    auth: &Auth,
    cookies: &'a RequestCookies,
    head: &Head<'_>,
    refresh_token: Option<&'a SecretText>,
) -> Result<Vec<Candidate<'a>>, Refusal> {
    if let Some(token) = refresh_token {
        return Ok(vec![Candidate::Refresh(token, Transport::Header)]);
    }
    csrf::check(head, auth.config(), cookies.any())?;
    let session = cookies.one(Kind::Session)?.map(Candidate::Session);
    let refresh = cookies.one(Kind::Refresh)?;
    let refresh = refresh.map(|token| Candidate::Refresh(token, Transport::Cookie));
    Ok(session.into_iter().chain(refresh).collect())
}
