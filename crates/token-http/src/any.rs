//! A caller in any of the three transports.

use serde::de::DeserializeOwned;
use token_core::binding::BindingLevel;
use token_core::{NoClaims, Scope, SessionId, Subject, UnixTime};
use token_session::SessionEnd;

use crate::access::Access;
use crate::auth::Auth;
use crate::caller::Caller;
use crate::dpop::Shown;
use crate::rejection::Rejection;
use crate::rule::{Authenticated, Found, Ruled, ShownBy};
use crate::server_session::ServerSession;

/// A caller in any of the three transports: with an access token, or with a session cookie. If a
/// request has both, the access token counts and the cookie is ignored.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a token or a cookie")]
pub enum Any<C = NoClaims> {
    /// With an access token.
    Access(Access<C>),
    /// With a session cookie.
    Session(ServerSession<C>),
}

impl<C> Any<C> {
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

    /// When the user last authenticated, by the server's clock.
    pub fn auth_time(&self) -> UnixTime {
        self.caller().auth_time()
    }

    /// The application's own claims.
    pub fn custom(&self) -> &C {
        match self {
            Self::Access(access) => access.custom(),
            Self::Session(session) => session.custom(),
        }
    }

    /// Waits for the end of the session: for connections that outlive the request, such as
    /// WebSockets and server-sent events. See
    /// [`SessionManager::ended`](token_session::SessionManager::ended).
    ///
    /// The future borrows nothing, and it can be dropped at any time.
    pub fn ended(&self) -> impl Future<Output = SessionEnd> + Send + use<C> {
        let (manager, deadline) = match self {
            Self::Access(access) => access.watched(),
            Self::Session(session) => session.watched(),
        };
        manager.ended(self.session_id(), deadline)
    }

    fn caller(&self) -> &dyn Caller {
        match self {
            Self::Access(access) => access,
            Self::Session(session) => session,
        }
    }
}

impl<C> Found for Any<C> {
    type Claims = C;

    fn claims(&self) -> &C {
        self.custom()
    }

    fn authenticated(&self) -> Authenticated<'_> {
        Authenticated::of(self)
    }

    fn shown_by(&self) -> ShownBy<'_> {
        match self {
            Self::Access(access) => access.shown_by(),
            Self::Session(session) => session.shown_by(),
        }
    }

    fn require<R>(&self) -> Result<(), Rejection>
    where
        Self: Ruled<R>,
    {
        let auth = match self {
            Self::Access(access) => access.auth(),
            Self::Session(session) => session.auth(),
        };
        auth.check_rule::<R>(self)
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

    fn binding(&self) -> Option<BindingLevel> {
        self.caller().binding()
    }

    fn acr(&self) -> Option<&str> {
        self.caller().acr()
    }

    fn amr(&self) -> &[Box<str>] {
        self.caller().amr()
    }
}

/// For adapters, which call this for an application.
impl Auth {
    /// Authenticates a request by its access token or, if it has none, by its session cookie;
    /// `None` if it has neither.
    ///
    /// `authorization` are the values of that field, and `shown` is what proves the key of a token that is
    /// bound to one. `session` looks for the session
    /// ([`server_session`](Self::server_session)). It is called only if there is no access token:
    /// a request with one costs nothing of it, and its cookies are not looked at.
    ///
    /// # Errors
    /// As [`access`](Self::access), and those of `session`.
    pub async fn any<'a, C: DeserializeOwned + Send + Sync + 'static>(
        self,
        authorization: impl Iterator<Item = &'a [u8]>,
        shown: impl FnOnce() -> Shown<'a>,
        session: impl AsyncFnOnce() -> Result<Option<ServerSession<C>>, Rejection>,
    ) -> Result<Option<Any<C>>, Rejection> {
        if let Some(token) = self.authenticate(authorization, shown).await? {
            return Ok(Some(Any::Access(Access::new(token, self))));
        }
        // Behind a pointer: a request with a token need not have the room for a call to the store.
        Ok(Box::pin(session()).await?.map(Any::Session))
    }
}
