//! A caller with whichever credential the request carries.

use serde::de::DeserializeOwned;
use token_core::{NoClaims, Scope, SessionId, Subject, UnixTime};
use token_session::SessionEnd;
use tracing::warn;

use crate::access::{Access, Caller};
use crate::auth::Auth;
use crate::refusal::{Refusal, TokenFault};
use crate::rejection::Rejection;
use crate::server_session::ServerSession;

/// A caller in any of the three transports: an access token, or a session cookie. Where a
/// request has both, the access token counts and the cookie is ignored.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a token or a cookie")]
pub enum Any<C = NoClaims> {
    /// By an access token.
    Access(Access<C>),
    /// By a session cookie.
    Session {
        /// The session.
        session: ServerSession,
        /// The application's own claims, which stand in the session.
        custom: C,
    },
}

impl<C> Any<C> {
    /// The application's own claims.
    pub fn custom(&self) -> &C {
        match self {
            Self::Access(access) => &access.claims().custom,
            Self::Session { custom, .. } => custom,
        }
    }

    /// Who is calling.
    pub fn subject(&self) -> &Subject {
        self.caller().subject()
    }

    /// In which session.
    pub fn session_id(&self) -> SessionId {
        self.caller().session_id()
    }

    /// What the caller may do.
    pub fn scope(&self) -> &Scope {
        self.caller().scope()
    }

    /// When the user last proved who they are, by the server's clock.
    pub fn auth_time(&self) -> UnixTime {
        self.caller().auth_time()
    }

    /// Waits for the end of the session: for connections that outlive the request, such as
    /// WebSockets and server-sent events. See
    /// [`SessionManager::ended`](token_session::SessionManager::ended).
    ///
    /// It borrows nothing from the caller, and dropped it is gone.
    pub fn ended(&self) -> impl Future<Output = SessionEnd> + Send + use<C> {
        let (token, cookie) = match self {
            Self::Access(access) => (Some(access.ended()), None),
            Self::Session { session, .. } => (None, Some(session.ended())),
        };
        async move {
            match (token, cookie) {
                (Some(ended), _) => ended.await,
                (None, Some(ended)) => ended.await,
                (None, None) => unreachable!("a caller has one of the two"),
            }
        }
    }

    fn caller(&self) -> &dyn Caller {
        match self {
            Self::Access(access) => access,
            Self::Session { session, .. } => session,
        }
    }
}

impl<C> Caller for Any<C> {
    fn subject(&self) -> &Subject {
        self.caller().subject()
    }

    fn session_id(&self) -> SessionId {
        self.caller().session_id()
    }

    fn scope(&self) -> &Scope {
        self.caller().scope()
    }

    fn auth_time(&self) -> UnixTime {
        self.caller().auth_time()
    }

    fn acr(&self) -> Option<&str> {
        self.caller().acr()
    }

    fn amr(&self) -> &[Box<str>] {
        self.caller().amr()
    }
}

impl Auth {
    /// Authenticates a request by its access token, or where it has none, by its session
    /// cookie; `None` where it has neither.
    ///
    /// `authorization` are the values of that field. `session` looks for the session
    /// ([`server_session`](Self::server_session)) and is only called where there is no access
    /// token: a request with one costs nothing of it, and its cookies are not looked at.
    ///
    /// # Errors
    /// As [`access`](Self::access), and those of `session`.
    pub async fn any<'a, C: DeserializeOwned + Send + Sync + 'static>(
        self,
        authorization: impl Iterator<Item = &'a [u8]>,
        session: impl AsyncFnOnce() -> Result<Option<ServerSession>, Rejection>,
    ) -> Result<Option<Any<C>>, Rejection> {
        if let Some(access) = self.authenticate(authorization).await? {
            return Ok(Some(Any::Access(Access::new(access, self))));
        }
        // Behind a pointer: whoever has a token need not have the room for a call to the store.
        let Some(session) = Box::pin(session()).await? else {
            return Ok(None);
        };
        // As for an access token: claims that the application cannot read do not hold.
        let custom = serde_json::from_str(session.session().claims.as_str()).map_err(|_| {
            warn!(session = %session.session().id, "the session's claims are of another type");
            self.challenge(Refusal::InvalidToken(TokenFault::Invalid))
        })?;
        Ok(Some(Any::Session { session, custom }))
    }
}
