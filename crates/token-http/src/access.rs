//! Who is calling: an access token, a session cookie, or either.

use std::ops::Deref;

use http::HeaderValue;
use http::header::AUTHORIZATION;
use serde::de::DeserializeOwned;
use token_core::{NoClaims, Scope, SessionId, Subject, UnixTime};
use token_session::{AccessError, SessionEnd};

use crate::auth::Auth;
use crate::bearer::{credential, is_token};
use crate::head::Head;
use crate::refusal::Refusal;
use crate::rejection::Rejection;

/// A caller with a valid access token. `C` is the application's own claims.
///
/// Derefs to [`token_session::Access`], which has the claims.
#[derive(Debug)]
pub struct Access<C = NoClaims> {
    access: token_session::Access<C>,
    auth: Auth,
}

impl<C> Access<C> {
    pub(crate) const fn new(access: token_session::Access<C>, auth: Auth) -> Self {
        Self { access, auth }
    }

    /// Waits for the end of the session: for connections that outlive the request, such as
    /// WebSockets and server-sent events. The access token itself may expire meanwhile; what
    /// counts is the session. See [`SessionManager::ended`](token_session::SessionManager::ended).
    ///
    /// It borrows nothing from the caller, and dropped it is gone.
    pub fn ended(&self) -> impl Future<Output = SessionEnd> + Send + use<C> {
        self.auth
            .manager()
            .ended(self.access.session_id(), self.access.claims().expires_at)
    }
}

impl<C> Deref for Access<C> {
    type Target = token_session::Access<C>;

    fn deref(&self) -> &Self::Target {
        &self.access
    }
}

impl Auth {
    /// Authenticates a request by its access token; `None` where it has no bearer token.
    /// Cookies are ignored.
    ///
    /// # Errors
    /// [`InvalidRequest`](crate::Refusal::InvalidRequest) and
    /// [`InvalidToken`](crate::Refusal::InvalidToken) where there is one that does not hold,
    /// [`TemporarilyUnavailable`](crate::Refusal::TemporarilyUnavailable) where that must be
    /// known and is not.
    pub async fn access<C: DeserializeOwned + Send + Sync + 'static>(
        &self,
        head: &Head<'_>,
    ) -> Result<Option<Access<C>>, Rejection> {
        let values = head.headers.get_all(AUTHORIZATION).iter();
        let values = values.map(HeaderValue::as_bytes);
        self.clone().access_by(values).await
    }

    /// The same from the values of the `Authorization` field: for adapters, which need not translate
    /// the other fields for it, and have an [`Auth`] of their own to give away.
    ///
    /// # Errors
    /// As [`access`](Self::access).
    pub async fn access_by<'a, C: DeserializeOwned + Send + Sync + 'static>(
        self,
        authorization: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Option<Access<C>>, Rejection> {
        let access = self.authenticate(authorization).await?;
        Ok(access.map(|access| Access::new(access, self)))
    }

    /// By the values of the `Authorization` field; `None` where they bring no bearer token.
    pub(crate) async fn authenticate<'a, C: DeserializeOwned + Send + Sync + 'static>(
        &self,
        authorization: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Option<token_session::Access<C>>, Rejection> {
        let token = credential(authorization).map_err(|refusal| self.challenge(refusal))?;
        let Some(token) = token else {
            return Ok(None);
        };
        match self.manager().authenticate(token).await {
            Ok(access) => Ok(Some(access)),
            // Only of what is refused must one ask whether it is a `b64token` at all: an access
            // token is, and one that was seen before need not be looked at byte by byte again.
            Err(AccessError::Invalid(_)) if !is_token(token) => {
                Err(self.challenge(Refusal::InvalidRequest))
            }
            Err(error) => Err(Rejection::of_access(error, self.config().shared_realm())),
        }
    }
}

/// What every kind of caller is known by, for requirements and handlers alike.
pub trait Caller {
    /// Who is calling.
    fn subject(&self) -> &Subject;
    /// In which session.
    fn session_id(&self) -> SessionId;
    /// What the caller may do.
    fn scope(&self) -> &Scope;
    /// When the user last proved who they are, by the server's clock.
    fn auth_time(&self) -> UnixTime;
    /// The class of that authentication, in the application's words.
    fn acr(&self) -> Option<&str>;
    /// Its methods, such as `pwd` and `otp` ([RFC 8176](https://www.rfc-editor.org/rfc/rfc8176)).
    fn amr(&self) -> &[Box<str>];
}

impl<C> Caller for Access<C> {
    fn subject(&self) -> &Subject {
        self.access.subject()
    }

    fn session_id(&self) -> SessionId {
        self.access.session_id()
    }

    fn scope(&self) -> &Scope {
        self.access.scope()
    }

    fn auth_time(&self) -> UnixTime {
        self.access.claims().auth_time
    }

    fn acr(&self) -> Option<&str> {
        self.access.claims().acr.as_deref()
    }

    fn amr(&self) -> &[Box<str>] {
        &self.access.claims().amr
    }
}
