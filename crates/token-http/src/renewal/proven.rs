//! The session whose credential a request has presented, and what is done with it once its user has proven
//! again who they are.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Response};
use token_core::binding::Binding;
use token_core::binding::dpop::{ProofOwner, VerifiedProof};
use token_core::session::{Committed, Denial};
use token_core::{PRODUCT, RevokeReason, Session, SessionId, Transport, UnixTime};
use token_session::{
    Issued, RefreshError, SessionCredential, SessionManager, ShownCookie, StepUp, to_end,
};
use tracing::warn;

use crate::adopt::FirstCredential;
use crate::auth::Auth;
use crate::binding;
use crate::cookies::{self, Kind, RequestCookies};
use crate::csrf;
use crate::head::Head;
use crate::limit::AttemptKind;
use crate::refusal::Refusal;
use crate::rejection::Rejection;
use crate::route::refresh;

/// A session that the request has proven, by a valid refresh token or session cookie.
pub(super) struct Proven {
    auth: Auth,
    session: Committed<Session>,
    credential: Arc<SessionCredential>,
    /// What the request shows of the bound cookie, if the credential came in a cookie.
    shown: Option<ShownCookie>,
    /// The fields that delete an old credential which this one has taken the place of.
    deletions: Vec<HeaderValue>,
    address: Option<IpAddr>,
    at: UnixTime,
}

impl Proven {
    /// Finds the session of the refresh token, or without one of a cookie, and counts an attempt.
    pub(super) async fn find(
        auth: &Auth,
        head: &Head<'_>,
        refresh_token: Option<&str>,
    ) -> Result<Self, Rejection> {
        let at = auth.manager().now();
        let address = auth.client_address(head);
        let cookies = head.cookies(auth.config().cookie_names());
        let first = if auth.config().adoptions().is_empty() {
            None
        } else {
            Box::pin(auth.adopt_for_renewal(head, refresh_token)).await?
        };
        let candidates = match &first {
            Some(first) => Ok(vec![Candidate::of(first)]),
            None => candidates(auth, &cookies, head, refresh_token),
        };
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
                        deletions: first.map_or_else(Vec::new, |first| first.deletions),
                        address,
                        at,
                    });
                }
                Err(error @ RefreshError::Denied(_)) => {
                    rejection = Some(binding::refused(auth, error, id, |error| match candidate {
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

    /// Renews the credential with the new authentication.
    pub(super) async fn step_up(
        self: Arc<Self>,
        step_up: StepUp,
    ) -> Result<Response<Bytes>, Rejection> {
        to_end(async move {
            let manager = self.auth.manager();
            let issued = manager.step_up(&self.credential, step_up).await;
            let issued = issued.map_err(|error| self.refused(error))?;
            self.observe(issued.session());
            Ok(self.answer(&issued))
        })
        .await
    }

    /// Ends every other session of the subject, and renews the credential of this one. The new password is
    /// stored already, so no failure says that nothing was done.
    pub(super) async fn password_changed(
        self: Arc<Self>,
        step_up: StepUp,
    ) -> Result<Response<Bytes>, Rejection> {
        to_end(async move {
            self.end_others_and_renew(step_up)
                .await
                .map_err(|rejection| {
                    warn!(
                        target: PRODUCT,
                        session = %self.session.id,
                        error = rejection.refusal().code(),
                        "a new password is stored, and the request for it fails"
                    );
                    rejection.after_a_write()
                })
        })
        .await
    }

    async fn end_others_and_renew(&self, step_up: StepUp) -> Result<Response<Bytes>, Rejection> {
        let manager = self.auth.manager();
        let issued = manager.password_changed(Arc::clone(&self.credential), step_up);
        let issued = issued.await;
        let (session, reason) = (&self.session, RevokeReason::PasswordChanged);
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
            Ok(issued) => self.observe(issued.session()),
            Err(_) => {}
        }
        let issued = issued.map_err(|error| self.refused(error))?;
        Ok(self.answer(&issued))
    }

    /// The answer with the new credential.
    fn answer(&self, issued: &Issued) -> Response<Bytes> {
        let mut answer = self.auth.answer_authenticated(issued);
        cookies::append_all(answer.headers_mut(), self.deletions.iter().cloned());
        answer
    }

    /// The answer if the credential was good when it was read, and is not any more.
    fn refused(&self, error: RefreshError) -> Rejection {
        Rejection::from(error).in_realm(self.auth.config().shared_realm())
    }

    /// Counts an attempt at the proof of the session's user.
    pub(super) fn attempt(&self) -> Result<(), Rejection> {
        let kind = AttemptKind::Reauthenticate(&self.session.subject);
        let noted = self.auth.note_attempt_from(self.address, kind);
        noted.map_err(|refusal| self.auth.refuse(refusal))
    }

    /// The answer to a proof that is wrong.
    pub(super) fn invalid_credentials(&self) -> Rejection {
        self.auth.reject(Refusal::InvalidCredentials)
    }

    /// The answer to a new password that the application does not accept.
    pub(super) fn unacceptable(&self) -> Rejection {
        let why = "the application does not accept the new password";
        self.auth.refuse(Refusal::InvalidRequest.because(why))
    }

    /// The session.
    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// The time of the request.
    pub(super) const fn at(&self) -> UnixTime {
        self.at
    }

    /// Reports what would have been refused if the policy were to require proofs.
    fn observe(&self, session: &Session) {
        if let Some(shown) = &self.shown {
            self.auth.manager().observe(shown, session);
        }
    }

    /// For the types that have one: nothing of it is shown but the session's id.
    pub(super) fn fmt(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
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
        SessionCredential::Session(token) => (token.untrusted_id, &mut token.proof),
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

impl<'a> Candidate<'a> {
    fn of(first: &'a FirstCredential) -> Self {
        match first.transport {
            Transport::Session => Self::Session(&first.text),
            carrier => Self::Refresh(&first.text, carrier),
        }
    }

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
    refresh_token: Option<&'a str>,
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
