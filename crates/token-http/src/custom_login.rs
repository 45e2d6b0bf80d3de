//! Every login. [`LoginRequest`](crate::LoginRequest) is one with a name and a password in JSON; here the proof may be
//! any: a form, a passkey, a one-time link, the return from another site.

use std::fmt;
use std::net::IpAddr;

use bytes::Bytes;
use http::Response;
use token_core::binding::dpop::{ProofOwner, VerifiedProof};
use token_core::session::Device;
use token_core::{Authentication, RevokeReason, Subject, Transport, UnixTime};
use token_session::{LoginTicket, NewSession, Presented, to_end};

use crate::adopt::OldRequest;
use crate::auth::Auth;
use crate::cookies::{self, Kind, RequestCookies};
use crate::csrf;
use crate::device;
use crate::head::Head;
use crate::issued::Issued;
use crate::limit::AttemptKind;
use crate::redirect;
use crate::refusal::Refusal;
use crate::rejection::Rejection;
use crate::visitor::LoginVisitor;

/// A login whose proof the handler checks: an HTML form, a passkey, a one-time link, or the return
/// from another site (OAuth, OpenID Connect). The request has passed the CSRF rule, which is about
/// unsafe methods; its body has not been read. The adapters' types of this name wrap it.
#[must_use = "nobody is logged in yet"]
pub struct CustomLogin {
    auth: Auth,
    address: Option<IpAddr>,
    device: Device,
    cookies: RequestCookies,
    visitor: LoginVisitor,
    /// What the request has of the system that was used before.
    old: Option<OldRequest>,
    /// What proves the client's key, if it sent a proof.
    proof: Option<VerifiedProof>,
    /// Whether the sessions end whose cookies came with the request.
    replaces: bool,
}

impl CustomLogin {
    /// Reads the request, without its body.
    ///
    /// # Errors
    /// [`Refusal::Csrf`], and [`Refusal::InvalidRequest`] for more than 4 of our cookies.
    /// [`Refusal::InvalidDpopProof`] and [`Refusal::UseDpopNonce`] if a proof came that is not good.
    pub fn read(auth: &Auth, head: &Head<'_>) -> Result<Self, Rejection> {
        let cookies = head.cookies(auth.config().cookie_names());
        // In every transport, so that another site cannot log the user in as somebody else.
        let visitor = LoginVisitor::read(auth, head);
        let old = auth.old_request(head.headers);
        let carries = cookies.any() || visitor.any() || old.is_some();
        let checked = csrf::check(head, auth.config(), carries);
        let checked = checked.and_then(|()| cookies.few());
        let proof = checked.and_then(|()| auth.proof(head));
        let proof = proof.map_err(|refusal| auth.refuse(refusal))?;
        Ok(Self {
            auth: auth.clone(),
            address: auth.client_address(head),
            device: device::of(auth, head),
            cookies,
            visitor,
            old,
            proof,
            replaces: true,
        })
    }

    /// Leaves the sessions alone whose cookies came with the request: for an administrator who opens a
    /// session of another user and goes on with their own. By default a login ends them.
    ///
    /// Call it only if the request has proven who sends it, for example with `Require` in the same
    /// handler. Otherwise a user could be given a session beforehand that somebody else knows. A
    /// browser keeps one session cookie: in the transport `session` the new one replaces the
    /// administrator's in the browser, although that session goes on.
    pub fn beside_current(mut self) -> Self {
        self.replaces = false;
        self
    }

    /// Counts an attempt at a password, or at anything else that can be guessed, for this name as it
    /// was sent. Call it before the check.
    ///
    /// # Errors
    /// [`Refusal::TooManyRequests`] if the application's limit says so.
    pub fn attempt(&self, name: &str) -> Result<(), Rejection> {
        let noted = self
            .auth
            .note_attempt_from(self.address, AttemptKind::Login(name));
        noted.map_err(|refusal| self.auth.refuse(refusal))
    }

    /// Begins the login of a user, before the last proof is checked: a login that is overtaken by "end
    /// all sessions" must not open one.
    ///
    /// # Errors
    /// [`Refusal::InvalidCredentials`] if the text cannot be a subject,
    /// [`Refusal::TemporarilyUnavailable`] if the store cannot be asked.
    pub async fn begin(&self, subject: impl TryInto<Subject>) -> Result<LoginTicket, Rejection> {
        let subject = subject.try_into().map_err(|_| {
            let why =
                "the name cannot be a subject: it is empty, too long or has a control character";
            self.auth.refuse(Refusal::InvalidCredentials.because(why))
        })?;
        Ok(self.auth.manager().begin_login(subject).await?)
    }

    /// Begins the login of a user who is known only after the proof was checked, such as by a one-time code
    /// or the word of another site, and asks once more whether it still holds.
    ///
    /// [`begin`](Self::begin) alone would lose something here: if all sessions of the user are ended between
    /// the check and `begin`, because the password was changed for example, the login opens a session
    /// all the same. `still_holds` is asked after the login has begun. It reads again what the proof was
    /// checked against, such as the stored hash or its version, and compares it with what it was. If that cannot
    /// be read, it answers with an error, such as [`Rejection::temporarily_unavailable`], and not with `false`:
    /// the user would be told that the proof was wrong.
    ///
    /// # Errors
    /// As [`begin`](Self::begin), [`Refusal::InvalidCredentials`] if the proof does not hold any more, and the
    /// error of `still_holds`.
    pub async fn begin_checked<E: From<Rejection>>(
        &self,
        subject: impl TryInto<Subject>,
        still_holds: impl Future<Output = Result<bool, E>>,
    ) -> Result<LoginTicket, E> {
        let ticket = self.begin(subject).await?;
        if still_holds.await? {
            Ok(ticket)
        } else {
            let why = "what was proven was changed while it was checked";
            let refused = Refusal::InvalidCredentials.because(why);
            Err(self.auth.refuse(refused).into())
        }
    }

    /// The time by the server's clock, for [`Authentication`].
    pub fn at(&self) -> UnixTime {
        self.auth.manager().now()
    }

    /// A session on the device that the request came from, of a user who authenticated in this way.
    pub fn new_session(&self, authentication: Authentication) -> NewSession {
        NewSession {
            authentication: Some(authentication),
            device: self.device.clone(),
            ..NewSession::default()
        }
    }

    /// Opens the session once the user has proven who they are, ends those whose cookies came with the
    /// request, a visitor's too, and answers with the credentials. If `session` names no transport, it is the
    /// first that the settings offer.
    ///
    /// # Errors
    /// [`Refusal::TemporarilyUnavailable`] if the store cannot be asked, or if all sessions of the
    /// subject were ended since the login began. [`Refusal::GatewayTimeout`] if the session may have been
    /// opened, and if it was and those that came with the request may live. [`Refusal::ServerError`] if the tokens cannot
    /// be made. [`Refusal::InvalidDpopProof`] if the client has to prove a key and does not, and
    /// [`Refusal::InvalidRequest`] if it does or has to in another transport than `header`.
    pub async fn open(
        &self,
        ticket: LoginTicket,
        session: NewSession,
    ) -> Result<Response<Bytes>, Rejection> {
        Ok(self.issue(ticket, session).await?.into_answer())
    }

    /// The same with the credentials as values, for an answer of another shape: the application writes the
    /// body, and adds the header fields that it is given.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn issue(
        &self,
        ticket: LoginTicket,
        session: NewSession,
    ) -> Result<Issued, Rejection> {
        let offered = self.auth.config().transports();
        let session = NewSession {
            transport: session.transport.or_else(|| offered.first().copied()),
            ..session
        };
        let session = self
            .bind(ticket.subject(), session)
            .map_err(|refusal| self.auth.refuse(refusal))?;
        let (manager, cookies) = (self.auth.manager().clone(), self.cookies.clone());
        let (replaces, visitor) = (self.replaces, self.visitor.clone());
        let (auth, old) = (self.auth.clone(), self.old.clone());
        let opened = to_end(async move {
            let opened = manager.login(ticket, session).await?;
            if !replaces {
                return Ok(opened);
            }
            // Only now that the new one is stored: if the store fails here, the user has a session.
            let replaced = async {
                let presented = [
                    (Kind::Refresh, Presented::Refresh as fn(_) -> _),
                    (Kind::Session, Presented::Session as fn(_) -> _),
                ];
                for (kind, presented) in presented {
                    for value in cookies.all(kind) {
                        manager
                            .revoke_presented(presented(value), RevokeReason::Replaced)
                            .await?;
                    }
                }
                // Its cookie would otherwise open a session once this one has ended.
                if let Some(old) = &old {
                    auth.end_old(old, RevokeReason::Replaced).await?;
                }
                Ok(())
            };
            replaced.await.map_err(Rejection::after_a_write)?;
            visitor.end(&manager).await;
            Ok::<_, Rejection>(opened)
        });
        let opened = opened.await?;
        let mut answer = self.auth.answer_authenticated(&opened);
        if replaces {
            self.visitor.forget(&self.auth, &mut answer);
            if let Some(old) = &self.old {
                cookies::append_all(answer.headers_mut(), self.auth.old_deletions(old));
            }
        }
        Ok(Issued::new(opened, answer))
    }

    /// Binds the session to the key that the client has proven. In the other transports the browser has no
    /// token for which a proof could be made.
    fn bind(&self, subject: &Subject, session: NewSession) -> Result<NewSession, Refusal> {
        let transport = session.transport.unwrap_or(Transport::Header);
        let client = session.client_id.as_ref();
        self.auth
            .check_login(client, transport, self.proof.as_ref())?;
        let Some(proof) = &self.proof else {
            return Ok(session);
        };
        // Only now, as the user has proven who they are: nobody else takes room for what is remembered.
        let owner = ProofOwner::Login(subject.clone());
        self.auth.use_proof(proof, owner)?;
        Ok(NewSession {
            key: Some(proof.thumbprint()),
            ..session
        })
    }

    /// The same for a browser that followed a link or sent a form: 303 to this address, with the
    /// session's cookie. The transport is the one that `session` names. If it names none, it is
    /// [`Session`](Transport::Session), or [`Cookie`](Transport::Cookie) if the settings offer that one and not
    /// the other ([`AuthConfigBuilder::transports`](crate::AuthConfigBuilder::transports)).
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`Refusal::ServerError`] if the address cannot stand in a header
    /// or the transport is [`Header`](Transport::Header), since a redirect has no body for tokens.
    pub async fn redirect(
        &self,
        ticket: LoginTicket,
        session: NewSession,
        to: &str,
    ) -> Result<Response<Bytes>, Rejection> {
        let offered = self.auth.config().transports();
        let transport = session.transport.unwrap_or_else(|| {
            let mut of_browsers = [Transport::Session, Transport::Cookie].into_iter();
            let offered = of_browsers.find(|transport| offered.contains(transport));
            offered.unwrap_or(Transport::Header)
        });
        let answer = redirect::for_session(transport, to)?;
        let transport = Some(transport);
        let session = NewSession {
            transport,
            ..session
        };
        let opened = self.open(ticket, session).await?;
        Ok(redirect::with_cookies_of(answer, &opened))
    }

    pub(crate) const fn proof(&self) -> Option<&VerifiedProof> {
        self.proof.as_ref()
    }

    pub(crate) const fn auth(&self) -> &Auth {
        &self.auth
    }

    pub(crate) const fn device(&self) -> &Device {
        &self.device
    }

    /// The answer to an unknown user and to a wrong proof, which is the same.
    pub fn invalid_credentials(&self) -> Rejection {
        self.auth.reject(Refusal::InvalidCredentials)
    }
}

impl fmt::Debug for CustomLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomLogin").finish_non_exhaustive()
    }
}
