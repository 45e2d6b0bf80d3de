//! A caller with an access token.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use token_core::{AccessClaims, NoClaims, Scope, SessionId, Subject, UnixTime, VerifiedToken};
use token_session::{AccessError, SessionEnd, SessionManager};

use crate::auth::Auth;
use crate::bearer::{credential, is_token};
use crate::refusal::Refusal;
use crate::rejection::Rejection;

/// A caller with a valid access token. `C` is the application's own claims.
#[derive(Debug)]
pub struct Access<C = NoClaims> {
    token: Arc<VerifiedToken<C>>,
    auth: Auth,
}

impl<C> Access<C> {
    pub(crate) const fn new(token: Arc<VerifiedToken<C>>, auth: Auth) -> Self {
        Self { token, auth }
    }

    /// Everything that the token says.
    pub fn claims(&self) -> &AccessClaims<C> {
        self.token.claims()
    }

    /// Who is calling.
    pub fn subject(&self) -> &Subject {
        &self.claims().subject
    }

    /// In which session. The id is not a secret.
    pub fn session_id(&self) -> SessionId {
        self.claims().session_id
    }

    /// What the caller may do.
    pub fn scope(&self) -> &Scope {
        &self.claims().scope
    }

    /// When the user last authenticated, by the issuer's clock.
    pub fn auth_time(&self) -> UnixTime {
        self.claims().auth_time
    }

    /// The application's own claims.
    pub fn custom(&self) -> &C {
        &self.claims().custom
    }

    /// Waits for the end of the session: for connections that outlive the request, such as
    /// WebSockets and server-sent events. The access token itself may expire meanwhile; what counts
    /// is the session. See [`SessionManager::ended`].
    ///
    /// The future borrows nothing, and it can be dropped at any time.
    pub fn ended(&self) -> impl Future<Output = SessionEnd> + Send + use<C> {
        let (manager, deadline) = self.watched();
        manager.ended(self.session_id(), deadline)
    }

    /// What knows of the session's end, and when it ends as far as the token says.
    pub(crate) fn watched(&self) -> (&SessionManager, UnixTime) {
        (self.auth.manager(), self.claims().expires_at)
    }
}

impl Auth {
    /// Authenticates a request by the values of its `Authorization` field; `None` if there is no bearer
    /// token in them. Adapters call it with an [`Auth`] of their own to give away.
    ///
    /// # Errors
    /// [`Refusal::InvalidRequest`] and [`Refusal::InvalidToken`] if the token is not valid,
    /// [`Refusal::TemporarilyUnavailable`] if it must be known whether its session has ended, and
    /// that is not known.
    pub async fn access<'a, C: DeserializeOwned + Send + Sync + 'static>(
        self,
        authorization: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Option<Access<C>>, Rejection> {
        let token = self.authenticate(authorization).await?;
        Ok(token.map(|token| Access::new(token, self)))
    }

    /// Authenticates a caller by an access token that did not come in a header, such as the first message
    /// of a WebSocket: browsers send no `Authorization` when they open one.
    ///
    /// # Errors
    /// As [`access`](Self::access).
    pub async fn access_token<C: DeserializeOwned + Send + Sync + 'static>(
        self,
        token: &str,
    ) -> Result<Access<C>, Rejection> {
        let found = self.manager().authenticate(token).await;
        let realm = Some(self.config().shared_realm());
        let token = found.map_err(|error| Rejection::of_access(error, realm))?;
        Ok(Access::new(token, self))
    }

    /// The same without the [`Access`], for a caller that may need something else of the [`Auth`].
    pub(crate) async fn authenticate<'a, C: DeserializeOwned + Send + Sync + 'static>(
        &self,
        authorization: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Option<Arc<VerifiedToken<C>>>, Rejection> {
        let malformed = |refusal: Refusal| {
            let why = "`Authorization` is not of the form `Bearer TOKEN`, or comes twice";
            self.challenge(refusal.because(why))
        };
        let token = credential(authorization).map_err(malformed)?;
        let Some(token) = token else {
            return Ok(None);
        };
        match self.manager().authenticate(token).await {
            Ok(token) => Ok(Some(token)),
            // Whether the text is a `b64token` at all is asked only if it was refused: an access token
            // is one, and one that was seen before need not be read byte by byte again.
            Err(AccessError::Invalid(_)) if !is_token(token) => {
                Err(malformed(Refusal::InvalidRequest))
            }
            Err(error) => {
                let realm = Some(self.config().shared_realm());
                Err(Rejection::of_access(error, realm))
            }
        }
    }
}

/// What every kind of caller is known by, for rules and handlers alike.
pub trait Caller {
    /// Who is calling.
    fn subject(&self) -> &Subject;
    /// In which session.
    fn session_id(&self) -> SessionId;
    /// What the caller may do.
    fn scope(&self) -> &Scope;
    /// When the user last authenticated, by the server's clock.
    fn auth_time(&self) -> UnixTime;
    /// The class of that authentication, in the application's words.
    fn acr(&self) -> Option<&str>;
    /// Its methods, such as `pwd` and `otp` ([RFC 8176](https://www.rfc-editor.org/rfc/rfc8176)).
    fn amr(&self) -> &[Box<str>];
}

/// A caller whom an [`Auth`] has found. For adapters.
pub trait Found: Caller {
    /// The one that has found the caller.
    fn auth(&self) -> &Auth;
}

impl<C> Found for Access<C> {
    fn auth(&self) -> &Auth {
        &self.auth
    }
}

impl<C> Caller for Access<C> {
    fn subject(&self) -> &Subject {
        self.subject()
    }

    fn session_id(&self) -> SessionId {
        self.session_id()
    }

    fn scope(&self) -> &Scope {
        self.scope()
    }

    fn auth_time(&self) -> UnixTime {
        self.auth_time()
    }

    fn acr(&self) -> Option<&str> {
        self.claims().acr.as_deref()
    }

    fn amr(&self) -> &[Box<str>] {
        &self.claims().amr
    }
}
