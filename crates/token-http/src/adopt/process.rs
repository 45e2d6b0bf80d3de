//! Adopts what a request has of the old system.

use std::sync::OnceLock;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};
use token_core::session::{Credentials, Device};
use token_core::{PRODUCT, RevokeReason, Scope, Transport};
use token_session::adopt::AdoptError;
use token_session::{Issued, LoginError};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};
use tracing::{debug, warn};
use zeroize::Zeroizing;

use super::adoption::Adoption;
use super::reader::{ReadError, Reading};
use super::request::OldRequest;
use crate::auth::Auth;
use crate::csrf;
use crate::device;
use crate::dpop::Dpop;
use crate::head::Head;
use crate::refusal::Refusal;
use crate::rejection::Rejection;

/// What a request with an old cookie and none of ours stands for.
#[derive(Clone)]
pub(crate) struct Adopted {
    /// The value of our cookie that takes the place of the old one; `None` if the old one is not good.
    pub(crate) cookie: Option<Zeroizing<String>>,
    /// The fields that delete the old one.
    pub(crate) deletions: Vec<HeaderValue>,
}

type ByAuth = Vec<(Auth, Option<Adopted>)>;

/// What each [`Auth`] that a request was asked for has adopted, so that every extractor sees the same.
#[derive(Default)]
pub(crate) struct AdoptedSlot(OnceLock<Mutex<ByAuth>>);

impl AdoptedSlot {
    /// Whether nothing was adopted, nor was anything looked at.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.get().is_none()
    }

    /// The fields that delete old cookies which are not good.
    pub(crate) async fn refused(&self) -> Vec<HeaderValue> {
        let Some(all) = self.0.get() else {
            return Vec::new();
        };
        let all = all.lock().await;
        let all = all.iter().filter_map(|(_, adopted)| adopted.as_ref());
        let refused = all.filter(|adopted| adopted.cookie.is_none());
        refused
            .flat_map(|adopted| adopted.deletions.clone())
            .collect()
    }
}

impl Auth {
    /// What the request has of the old system, if that is adopted now.
    pub(crate) fn old_request(&self, headers: &HeaderMap) -> Option<OldRequest> {
        let adoptions = self.config().adoptions();
        if adoptions.is_empty() || !self.manager().adopts() {
            return None;
        }
        let names = adoptions.iter().flat_map(Adoption::cookie_names);
        let request = OldRequest::of_cookies(headers, &names, self.manager().now());
        (!request.is_empty()).then_some(request)
    }

    /// Whether a token that is not ours may be one of the old system.
    pub(crate) fn adopts_bearers(&self) -> bool {
        // Clients that have to prove a key cannot go on without one.
        let bound = self.config().dpop().is_some_and(Dpop::is_required);
        let mut adoptions = self.config().adoptions().iter();
        !bound && adoptions.any(Adoption::reads_bearer) && self.manager().adopts()
    }

    /// What the old cookie of the request stands for; `None` if there is none. The request has no cookie of
    /// ours. The CSRF rule is applied, as for a cookie of ours.
    pub(crate) async fn adopt_cookie(
        &self,
        head: &Head<'_>,
        slot: &AdoptedSlot,
    ) -> Result<Option<Adopted>, Rejection> {
        let Some(request) = self.old_request(head.headers) else {
            return Ok(None);
        };
        csrf::check(head, self.config(), true).map_err(|refusal| self.challenge(refusal))?;
        let mut slot = slot.0.get_or_init(Mutex::default).lock().await;
        if let Some((_, known)) = slot.iter().find(|(auth, _)| auth.is(self)) {
            return Ok(known.clone());
        }
        let device = device::of(self, head);
        let first = self.adopt_first(&request, Transport::Session, device);
        let First { issued, deletions } = first.await?;
        let cookie = issued.and_then(|issued| match issued.credentials() {
            Credentials::Session(token) => Some(token.to_secret_text()),
            Credentials::Tokens(_) => None,
        });
        let adopted = Some(Adopted { cookie, deletions });
        slot.push((self.clone(), adopted.clone()));
        Ok(adopted)
    }

    /// The credentials for which an old token stands; `None` if it is not one that is good.
    pub(crate) async fn adopt_bearer(&self, token: &str) -> Result<Option<Issued>, Rejection> {
        let request = OldRequest::of_bearer(token, self.manager().now());
        let first = self.adopt_first(&request, Transport::Header, Device::default());
        Ok(first.await?.issued)
    }

    /// The answer to a refresh with an old token: a pair of tokens; `None` if it is not one that is good.
    pub(crate) async fn exchange(
        &self,
        token: &str,
        scope: Option<&Scope>,
    ) -> Result<Option<Response<Bytes>>, Rejection> {
        // A narrower scope comes with the next refresh; more is not asked for by a client that knows neither.
        if scope.is_some() || !self.adopts_bearers() {
            return Ok(None);
        }
        let issued = self.adopt_bearer(token).await?;
        Ok(issued.map(|issued| self.token_response(&issued)))
    }

    /// Ends every session of the old system that the request has, whether or not it was adopted before.
    ///
    /// If the old system cannot say whose its session is, a logout is refused, to be tried again. A login is not:
    /// it has opened a session already, and the browser forgets the old cookie with its answer.
    ///
    /// Of cookies that came several times each is ended: which of them the next request brings is not known.
    ///
    /// Says whether one was ended.
    pub(crate) async fn end_old(
        &self,
        request: &OldRequest,
        reason: RevokeReason,
    ) -> Result<bool, Rejection> {
        // What cannot be ended keeps nothing else alive.
        let mut failed: Option<Rejection> = None;
        let mut has_ended = false;
        for adoption in self.config().adoptions() {
            let deadline = self.old_deadline();
            for one in adoption.apart(request) {
                match self.end_one(adoption, &one, deadline, reason).await {
                    Ok(ended) => has_ended |= ended,
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
            if reason != RevokeReason::Replaced && adoption.has_too_many(request) {
                let why = "more than 4 cookies have the name of an old one";
                let refused = self.refuse(Refusal::InvalidRequest.because(why));
                failed = failed.or(Some(refused));
            }
        }
        match failed {
            Some(failed) if has_ended => Err(failed.after_a_write()),
            Some(failed) => Err(failed),
            None => Ok(has_ended),
        }
    }

    async fn end_one(
        &self,
        adoption: &Adoption,
        request: &OldRequest,
        deadline: Instant,
        reason: RevokeReason,
    ) -> Result<bool, Rejection> {
        let old = match self.read_old(adoption, request, deadline).await {
            Err(_) if reason == RevokeReason::Replaced => return Ok(false),
            read => read?.live(),
        };
        let Some(mut old) = old else {
            return Ok(false);
        };
        // As if it had been adopted.
        old.session.transport = Some(if adoption.reads_bearer() {
            Transport::Header
        } else {
            Transport::Session
        });
        let key = old.stored_under.clone();
        let ended = self.manager().end_old(adoption.name(), old, reason).await;
        ended.map_err(fault)?;
        adoption.delete_ended(key, self.old_deadline()).await;
        Ok(true)
    }

    /// The fields that delete the old cookies of a login or a logout.
    pub(crate) fn old_deletions(&self, request: &OldRequest) -> Vec<HeaderValue> {
        let adoptions = self.config().adoptions().iter();
        let all = adoptions.flat_map(|adoption| adoption.all_deletions(request));
        all.collect()
    }

    /// Ends the session of a token that came in a body, if it is one of the old system. Says whether it was.
    pub(crate) async fn end_old_token(
        &self,
        token: &str,
        reason: RevokeReason,
    ) -> Result<bool, Rejection> {
        if !self.adopts_bearers() {
            return Ok(false);
        }
        let request = OldRequest::of_bearer(token, self.manager().now());
        self.end_old(&request, reason).await
    }

    /// Adopts the session of the first reader that finds one.
    pub(super) async fn adopt_first(
        &self,
        request: &OldRequest,
        transport: Transport,
        device: Device,
    ) -> Result<First, Rejection> {
        let mut deletions = Vec::new();
        for adoption in self.config().adoptions() {
            let deadline = self.old_deadline();
            let mut old = match self.read_old(adoption, request, deadline).await? {
                Reading::Live(old) => old,
                Reading::Dead(_) => {
                    deletions.extend(adoption.deletions(request));
                    continue;
                }
                Reading::Absent | Reading::Unknown(_) => continue,
            };
            old.session.transport = Some(transport);
            if old.session.device == Device::default() {
                old.session.device = device.clone();
            }
            let reader = adoption.name();
            if let Err(refusal) = self.check_login(old.session.client_id.as_ref(), transport, None)
            {
                debug!(target: PRODUCT, reader, why = ?refusal, "old session not adopted");
                continue;
            }
            match self.manager().adopt(reader, old).await {
                Ok(issued) if issued.session().transport == transport => {
                    let deletions = self.deletions_beside(adoption, request);
                    let issued = Some(issued);
                    return Ok(First { issued, deletions });
                }
                Ok(_) => {
                    let why = "it was adopted from a cookie and comes as a token, or the reverse";
                    debug!(target: PRODUCT, reader, why, "old session not adopted");
                }
                Err(error) if error.is_refusal() => {
                    debug!(target: PRODUCT, reader, why = %error, "old session not adopted");
                    deletions.extend(adoption.deletions(request));
                }
                Err(error) => return Err(fault(error)),
            }
        }
        let issued = None;
        Ok(First { issued, deletions })
    }

    /// An old store has the time that a store of ours has: it holds no request for longer.
    pub(super) fn old_deadline(&self) -> Instant {
        Instant::now() + self.manager().store_timeout()
    }

    /// What a reader finds in the request.
    pub(super) async fn read_old(
        &self,
        adoption: &Adoption,
        request: &OldRequest,
        deadline: Instant,
    ) -> Result<Reading, Rejection> {
        if !adoption.concerns(request) {
            return Ok(Reading::Absent);
        }
        let reader = adoption.name();
        let reading = timeout_at(deadline, adoption.read(request)).await;
        let reading = reading.unwrap_or_else(|elapsed| Err(elapsed.into()));
        if let Ok(Reading::Dead(why) | Reading::Unknown(why)) = &reading {
            debug!(target: PRODUCT, reader, %why, "old session not adopted");
        }
        reading.map_err(|error| unread(reader, &error))
    }
}

/// What the readers have made of a request.
pub(super) struct First {
    /// What the first live session stands for.
    pub(super) issued: Option<Issued>,
    /// The fields that delete the cookies of old sessions that were adopted, or will never be.
    pub(super) deletions: Vec<HeaderValue>,
}

/// The old system cannot say whether the session is live: nobody is refused for it.
fn unread(reader: &'static str, error: &ReadError) -> Rejection {
    let error = &**error as &dyn std::error::Error;
    warn!(target: PRODUCT, reader, error, "an old session could not be read");
    Rejection::temporarily_unavailable()
}

/// A fault of this server.
fn fault(error: AdoptError) -> Rejection {
    match error {
        AdoptError::Signer(error) => error.into(),
        AdoptError::Store(error) => error.into(),
        AdoptError::Issue(error) => LoginError::from(error).into(),
        error => {
            debug!(target: PRODUCT, %error, "old session not ended");
            Rejection::temporarily_unavailable()
        }
    }
}
