//! A login in steps: a proof is still missing.

use std::fmt;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use token_core::{Authentication, PRODUCT, Subject};
use token_session::store::DataWritten;
use token_session::visitor::{VisitorError, VisitorKind, VisitorSession};
use token_session::{LoginTicket, NewSession};
use tracing::debug;

use crate::answer;
use crate::auth::Auth;
use crate::cookies::{self, Kind, RequestCookies};
use crate::custom_login::CustomLogin;
use crate::device;
use crate::head::Head;
use crate::mark::Mark;
use crate::private_data::DataError;
use crate::redirect;
use crate::refusal::Refusal;
use crate::rejection::Rejection;

/// How many proofs may be tried before the login has to begin anew.
const ATTEMPTS: u32 = 5;

/// How often a write is tried again. Each time another request was faster.
const WRITES: u32 = 8;

/// A login that has begun and of which a proof is still missing: a one-time password after a password, for
/// example. It survives requests, opens nothing, and ends by itself after 10 minutes.
///
/// The browser that began it proves it with a cookie of its own, which no other extractor looks at.
/// [`CustomLogin::pend`] begins it. The request has passed the CSRF rule; its body has not been read.
#[must_use = "nobody is logged in yet"]
pub struct PendingLogin {
    auth: Auth,
    login: CustomLogin,
    session: VisitorSession,
    version: u64,
    record: Record,
}

/// What is stored.
#[derive(Clone, Serialize, Deserialize)]
struct Record {
    ticket: LoginTicket,
    authentication: Authentication,
    missing: Vec<Box<str>>,
    attempts: u32,
    mark: Mark,
}

/// A proof that was counted and is to be checked.
#[must_use = "the proof is to be checked"]
pub struct ProofAttempt {
    pending: PendingLogin,
    method: Box<str>,
    acr: Option<Box<str>>,
}

/// What becomes of a pending login when a proof was found right.
#[must_use = "nobody is logged in yet"]
#[expect(clippy::exhaustive_enums, reason = "a proof is missing or none is")]
pub enum Proven {
    /// No proof is missing any more.
    Complete(CompleteLogin),
    /// Another one is.
    Pending(PendingLogin),
}

/// A login of which every proof was found right. It opens a session once.
#[must_use = "nobody is logged in yet"]
pub struct CompleteLogin {
    pending: PendingLogin,
}

impl PendingLogin {
    /// Finds the pending login of a request.
    ///
    /// # Errors
    /// [`Refusal::Csrf`]; [`Refusal::Unauthorized`] if there is none, it has ended, or another browser began
    /// it; [`Refusal::TemporarilyUnavailable`] if the store cannot be asked.
    pub async fn read(auth: &Auth, head: &Head<'_>) -> Result<Self, Rejection> {
        let login = CustomLogin::read(auth, head)?;
        let none = |why: &str| auth.refuse(Refusal::Unauthorized.because(why));
        let session = of_cookie(auth, head).await?;
        let session = session.ok_or_else(|| none("there is no pending login"))?;
        // Not a secret, and no proof: it makes a copied cookie worth less.
        if session.session().device.user_agent != device::of(auth, head).user_agent {
            return Err(none(
                "a pending login came from another browser than the one that began it",
            ));
        }
        let (version, record) = load(auth, &session)
            .await?
            .ok_or_else(|| none("it has just ended"))?;
        if record.attempts == 0 || record.missing.is_empty() {
            return Err(none("the pending login is used up"));
        }
        Ok(Self {
            auth: auth.clone(),
            login,
            session,
            version,
            record,
        })
    }

    /// Whose login it is. They have not proven it.
    pub const fn subject(&self) -> &Subject {
        self.record.ticket.subject()
    }

    /// The methods that are still to be proven, by their names in `amr`.
    pub fn missing(&self) -> impl Iterator<Item = &str> {
        self.record.missing.iter().map(|method| &**method)
    }

    /// How many proofs may still be tried.
    pub const fn attempts_left(&self) -> u32 {
        self.record.attempts
    }

    /// Counts an attempt at a proof by this method. Call it before the check.
    ///
    /// # Errors
    /// [`Refusal::TooManyRequests`] if the application's limit says so; [`Refusal::Unauthorized`] if no
    /// attempt is left or the method is not missing; [`Refusal::TemporarilyUnavailable`] if the store cannot
    /// be asked.
    pub async fn attempt(mut self, method: &str) -> Result<ProofAttempt, Rejection> {
        self.login.attempt(self.record.ticket.subject().as_str())?;
        self.change(|record| {
            let counts = record.attempts > 0 && record.missing.iter().any(|one| **one == *method);
            if counts {
                record.attempts -= 1;
            }
            counts
        })
        .await?;
        Ok(ProofAttempt {
            pending: self,
            method: method.into(),
            acr: None,
        })
    }

    /// Sends the browser to the page that asks for the next proof: 303.
    ///
    /// # Errors
    /// [`Refusal::ServerError`] if the address cannot stand in a header.
    pub fn redirect(&self, to: &str) -> Result<Response<Bytes>, Rejection> {
        redirect::see_other(to)
    }

    /// Ends it, and the browser forgets it: the user goes back to the first step.
    ///
    /// # Errors
    /// [`Refusal::TemporarilyUnavailable`] if the store cannot be asked, and as
    /// [`CustomLogin::redirect`] for the address.
    pub async fn cancel(self, to: &str) -> Result<Response<Bytes>, Rejection> {
        let mut answer = redirect::see_other(to)?;
        self.auth.manager().end_visitor(&self.session).await?;
        delete_cookie(&self.auth, &mut answer);
        Ok(answer)
    }

    /// Changes what is stored, unless `change` refuses it.
    async fn change(&mut self, change: impl Fn(&mut Record) -> bool) -> Result<(), Rejection> {
        let used_up = || {
            let why = "the pending login is used up, or the method is not missing";
            self.auth.refuse(Refusal::Unauthorized.because(why))
        };
        for _ in 0..WRITES {
            let mut record = self.record.clone();
            if !change(&mut record) {
                return Err(used_up());
            }
            record.mark = Mark::new();
            let manager = self.auth.manager();
            let json = Some(text(&record));
            let written = manager.write_visitor_data(&self.session, self.version, json);
            match written.await.map_err(DataError::from)? {
                DataWritten::Applied => {
                    self.version += 1;
                    self.record = record;
                    return Ok(());
                }
                DataWritten::NotLive => return Err(used_up()),
                DataWritten::Moved(_) => {
                    let loaded = load(&self.auth, &self.session).await?;
                    (self.version, self.record) = loaded.ok_or_else(used_up)?;
                }
            }
        }
        Err(DataError::Conflict.into())
    }
}

impl ProofAttempt {
    /// Whose proof it has to be.
    pub const fn subject(&self) -> &Subject {
        self.pending.subject()
    }

    /// The `acr` of the session if this proof is right: how strongly the user has authenticated by all
    /// that was proven up to here. Without it the one of the proofs before stays.
    pub fn acr(mut self, acr: &str) -> Self {
        self.acr = Some(acr.into());
        self
    }

    /// The answer to a wrong proof. A handler of forms shows the form again instead, if
    /// [`attempts_left`](PendingLogin::attempts_left) says so.
    pub fn failed(self) -> Rejection {
        self.pending.login.invalid_credentials()
    }

    /// The proof was found right. Each is accepted once, also if two requests bring it at the same time.
    ///
    /// # Errors
    /// [`Refusal::Unauthorized`] if another request was faster, [`Refusal::TemporarilyUnavailable`] if the
    /// store cannot be asked.
    pub async fn succeeded(self) -> Result<Proven, Rejection> {
        let Self {
            mut pending,
            method,
            acr,
        } = self;
        pending
            .change(|record| {
                let place = record.missing.iter().position(|one| *one == method);
                let Some(place) = place else {
                    return false;
                };
                record.missing.remove(place);
                let authentication = &mut record.authentication;
                if !authentication.amr.contains(&method) {
                    authentication.amr.push(method.clone());
                }
                if acr.is_some() {
                    authentication.acr.clone_from(&acr);
                }
                true
            })
            .await?;
        Ok(if pending.record.missing.is_empty() {
            Proven::Complete(CompleteLogin { pending })
        } else {
            Proven::Pending(pending)
        })
    }
}

impl CompleteLogin {
    /// Whose login it is.
    pub const fn subject(&self) -> &Subject {
        self.pending.subject()
    }

    /// A session on the device that the request came from, authenticated now by all methods that were
    /// proven. Add the rest: `NewSession { scope, claims, ..login.new_session() }`.
    pub fn new_session(&self) -> NewSession {
        let authentication = Authentication {
            time: self.pending.login.at(),
            ..self.pending.record.authentication.clone()
        };
        self.pending.login.new_session(authentication)
    }

    /// Opens the session as [`CustomLogin::open`] does, and ends the pending login.
    ///
    /// # Errors
    /// As [`CustomLogin::open`]. All sessions of the subject may have been ended since the first step: then
    /// the login has to begin anew.
    pub async fn open(self, session: NewSession) -> Result<Response<Bytes>, Rejection> {
        let ticket = self.pending.record.ticket.clone();
        let answer = self.pending.login.open(ticket, session).await?;
        Ok(self.end(answer).await)
    }

    /// The same for a browser: 303 to this address, as [`CustomLogin::redirect`] does.
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`CustomLogin::redirect`].
    pub async fn redirect(
        self,
        session: NewSession,
        to: &str,
    ) -> Result<Response<Bytes>, Rejection> {
        let ticket = self.pending.record.ticket.clone();
        let answer = self.pending.login.redirect(ticket, session, to).await?;
        Ok(self.end(answer).await)
    }

    /// It opens nothing any more, so if the store cannot be asked it may as well expire.
    async fn end(self, mut answer: Response<Bytes>) -> Response<Bytes> {
        let PendingLogin { auth, session, .. } = self.pending;
        if let Err(error) = auth.manager().end_visitor(&session).await {
            let error = &error as &dyn std::error::Error;
            debug!(target: PRODUCT, error, "a pending login that is complete stays until it expires");
        }
        delete_cookie(&auth, &mut answer);
        answer
    }
}

impl CustomLogin {
    /// Begins a pending login, once the first proof was found right: these methods, by their names in
    /// `amr` ([RFC 8176](https://www.rfc-editor.org/rfc/rfc8176)), are still to be proven. Answers 303 to
    /// the page that asks for the next proof, with a cookie. No session is opened, and those whose cookies
    /// came with the request go on.
    ///
    /// It lives for 10 minutes (`VisitorPolicy::pending_lifetime`) and 5 attempts.
    ///
    /// # Errors
    /// [`Refusal::TemporarilyUnavailable`] if the store cannot be asked or there is no room;
    /// [`Refusal::ServerError`] if no method is missing, or the address cannot stand in a header.
    pub async fn pend(
        &self,
        ticket: LoginTicket,
        authentication: Authentication,
        missing: &[&str],
        to: &str,
    ) -> Result<Response<Bytes>, Rejection> {
        let mut answer = redirect::see_other(to)?;
        self.set_pending(ticket, authentication, missing, &mut answer)
            .await?;
        Ok(answer)
    }

    /// The same for a client that sent JSON: 200 with `{"pending":["otp"],"expires_in":600}`.
    ///
    /// # Errors
    /// As [`pend`](Self::pend).
    pub async fn pend_json(
        &self,
        ticket: LoginTicket,
        authentication: Authentication,
        missing: &[&str],
    ) -> Result<Response<Bytes>, Rejection> {
        let lifetime = self.auth().manager().pending_login_lifetime();
        let body = PendingBody {
            pending: missing,
            expires_in: lifetime.as_secs(),
        };
        let mut answer = answer::json(StatusCode::OK, &body);
        self.set_pending(ticket, authentication, missing, &mut answer)
            .await?;
        Ok(answer)
    }

    async fn set_pending(
        &self,
        ticket: LoginTicket,
        authentication: Authentication,
        missing: &[&str],
        answer: &mut Response<Bytes>,
    ) -> Result<(), Rejection> {
        if missing.is_empty() {
            return Err(Rejection::misconfigured(
                "a pending login lacks no proof: open the session instead",
            ));
        }
        let record = Record {
            ticket,
            authentication,
            missing: missing.iter().map(|method| (*method).into()).collect(),
            attempts: ATTEMPTS,
            mark: Mark::new(),
        };
        let (auth, device) = (self.auth(), self.device().clone());
        let (kind, record) = (VisitorKind::PendingLogin, text(&record));
        let opened = auth.manager().open_visitor(kind, device, &record);
        let opened = opened
            .await
            .map_err(|error: VisitorError| DataError::from(error))?;
        let seconds = opened.expires_at().since(auth.manager().now()).as_secs();
        let names = auth.config().cookie_names();
        let value = opened.token().to_secret_text();
        let field = names.set_for(Kind::PendingLogin, &value, seconds);
        cookies::append(answer.headers_mut(), field);
        Ok(())
    }
}

#[derive(Serialize)]
struct PendingBody<'a> {
    pending: &'a [&'a str],
    expires_in: u64,
}

async fn of_cookie(auth: &Auth, head: &Head<'_>) -> Result<Option<VisitorSession>, Rejection> {
    let names = auth.config().cookie_names();
    let cookies = RequestCookies::read_kinds(&[Kind::PendingLogin], head.headers, names);
    let Ok(Some(cookie)) = cookies.one(Kind::PendingLogin) else {
        return Ok(None);
    };
    let kind = VisitorKind::PendingLogin;
    Ok(auth.manager().accept_visitor(kind, cookie).await?)
}

async fn load(auth: &Auth, session: &VisitorSession) -> Result<Option<(u64, Record)>, Rejection> {
    let data = auth.manager().session_data(session.id()).await?;
    let Some(data) = data else {
        return Ok(None);
    };
    let record = data.json.as_deref().map(serde_json::from_str);
    // Nothing else writes it.
    let record = record.transpose().map_err(|_| DataError::NotAnObject)?;
    Ok(record.map(|record| (data.version, record)))
}

fn text(record: &Record) -> Box<str> {
    let text = serde_json::to_string(record).expect("texts and numbers are JSON");
    text.into()
}

fn delete_cookie(auth: &Auth, answer: &mut Response<Bytes>) {
    let names = auth.config().cookie_names();
    cookies::append(answer.headers_mut(), names.delete(Kind::PendingLogin));
}

/// Whose login it is stays out of logs that show it.
macro_rules! opaque {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )*};
}

opaque!(CompleteLogin, PendingLogin, ProofAttempt, Proven);
