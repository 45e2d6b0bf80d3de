//! A caller with an access token.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use token_core::access::ClaimsError;
use token_core::binding::BindingLevel;
use token_core::binding::dpop::ProofOwner;
use token_core::{
    AccessClaims, NoClaims, Scope, SessionId, Subject, UnixTime, VerifiedToken, VerifyError,
};
use token_session::{AccessError, SessionEnd, SessionManager};

use crate::auth::Auth;
use crate::bearer::{Scheme, TokenScheme, credential_of, is_token, schemes};
use crate::caller::Caller;
use crate::dpop::Shown;
use crate::refusal::Refusal;
use crate::rejection::Rejection;
use crate::rule::{Authenticated, Found, Ruled, ShownBy};

/// A caller with a valid access token. `C` is the application's own claims. Handlers take the adapter's type of this
/// name, which dereferences to this one.
///
/// ```
/// use serde::Deserialize;
/// use token_http::Access;
///
/// #[derive(Deserialize)]
/// struct Profile {
///     name: String,
/// }
///
/// fn greeting(caller: &Access<Profile>) -> String {
///     format!("Hello, {} ({})", caller.custom().name, caller.subject())
/// }
/// ```
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

    /// The one that has found the caller.
    pub(crate) fn auth(&self) -> &Auth {
        &self.auth
    }

    /// What knows of the session's end, and when it ends as far as the token says.
    pub(crate) fn watched(&self) -> (&SessionManager, UnixTime) {
        (self.auth.manager(), self.claims().expires_at)
    }
}

/// For adapters, which call this for an application.
impl Auth {
    /// Authenticates a request by the values of its `Authorization` field; `None` if there is no access
    /// token in them. `shown` is what proves the key of a token that is bound to one; it is called only if
    /// the token comes so. Adapters call it with an [`Auth`] of their own to give away.
    ///
    /// # Errors
    /// [`Refusal::InvalidRequest`] and [`Refusal::InvalidToken`] if the token is not valid,
    /// [`Refusal::TemporarilyUnavailable`] if it must be known whether its session has ended, and
    /// that is not known.
    pub async fn access<'a, C: DeserializeOwned + Send + Sync + 'static>(
        self,
        authorization: impl Iterator<Item = &'a [u8]>,
        shown: impl FnOnce() -> Shown<'a>,
    ) -> Result<Option<Access<C>>, Rejection> {
        let token = self.authenticate(authorization, shown).await?;
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
        let token = match self.manager().authenticate(token).await {
            Ok(token) => token,
            Err(error @ AccessError::Invalid(_))
                if self.adopts_bearers() && is_token(token.as_bytes()) =>
            {
                Box::pin(self.authenticate_old(token.as_bytes(), error)).await?
            }
            Err(error) => return Err(self.refuse_access(error)),
        };
        Ok(Access::new(token, self))
    }

    /// The same without the [`Access`], for a caller that may need something else of the [`Auth`].
    pub(crate) async fn authenticate<'a, C: DeserializeOwned + Send + Sync + 'static>(
        &self,
        authorization: impl Iterator<Item = &'a [u8]>,
        shown: impl FnOnce() -> Shown<'a>,
    ) -> Result<Option<Arc<VerifiedToken<C>>>, Rejection> {
        let malformed = |refusal: Refusal| {
            let why = "`Authorization` is not of the form `Bearer TOKEN`, or comes twice";
            self.challenge(refusal.because(why))
        };
        let config = self.config();
        let schemes = schemes(config.dpop().is_some(), config.scheme());
        let token = match credential_of(authorization, &schemes).map_err(malformed)? {
            None => return Ok(None),
            Some((Scheme::Bearer | Scheme::Named(_), token)) => token,
            Some((Scheme::Dpop, token)) => {
                let found = Box::pin(self.authenticate_bound(token, shown()));
                return found.await.map(Some);
            }
        };
        match self.manager().authenticate(token).await {
            Ok(token) => Ok(Some(token)),
            // Whether the text is a `b64token` at all is asked only if it was refused: an access token
            // is one, and one that was seen before need not be read byte by byte again.
            Err(AccessError::Invalid(_)) if !is_token(token) => {
                Err(malformed(Refusal::InvalidRequest))
            }
            Err(error @ AccessError::Invalid(_)) if self.adopts_bearers() => {
                // Behind a pointer: requests with tokens of ours need no room for it.
                Box::pin(self.authenticate_old(token, error))
                    .await
                    .map(Some)
            }
            // The challenge says how it has to come.
            Err(error @ AccessError::Invalid(VerifyError::Claims(ClaimsError::BoundToKey)))
                if self.config().dpop().is_some() =>
            {
                Err(self.refuse_access(error).with_scheme(TokenScheme::Dpop))
            }
            Err(error) => Err(self.refuse_access(error)),
        }
    }

    /// Authenticates by a token of another system, which was refused as one of ours.
    async fn authenticate_old<C: DeserializeOwned + Send + Sync + 'static>(
        &self,
        token: &[u8],
        error: AccessError,
    ) -> Result<Arc<VerifiedToken<C>>, Rejection> {
        let text = std::str::from_utf8(token).expect("a token is ASCII");
        let adopted = self.adopt_bearer(text).await?;
        let Some(pair) = adopted.as_ref().and_then(|issued| issued.tokens()) else {
            return Err(self.refuse_access(error));
        };
        // From here on it is a request with the token that the client could have.
        let token = self
            .manager()
            .authenticate(pair.access_token.secret())
            .await;
        token.map_err(|error| self.refuse_access(error))
    }

    fn refuse_access(&self, error: AccessError) -> Rejection {
        let config = self.config();
        let rejection = Rejection::of_access(error, Some(config.shared_realm()));
        rejection.with_resource_metadata(config.resource_metadata())
    }
}

impl Auth {
    /// Authenticates a request with `Authorization: DPoP`: by its token, and by a proof of the token's key,
    /// which is needed each time.
    async fn authenticate_bound<C: DeserializeOwned + Send + Sync + 'static>(
        &self,
        token: &[u8],
        shown: Shown<'_>,
    ) -> Result<Arc<VerifiedToken<C>>, Rejection> {
        let refuse = |refusal| self.challenge_bound(refusal);
        if !is_token(token) {
            let why = "`Authorization` is not of the form `DPoP TOKEN`";
            return Err(refuse(Refusal::InvalidRequest.because(why)));
        }
        let proof = self.proof_with_token(&shown, token).map_err(refuse)?;
        let found = self.manager().authenticate_with(token, Some(&proof)).await;
        let token =
            found.map_err(|error| self.refuse_access(error).with_scheme(TokenScheme::Dpop))?;
        // Last: nobody without the token takes room for what is remembered.
        let owner = ProofOwner::Session(token.claims().session_id);
        self.use_proof(&proof, owner).map_err(refuse)?;
        Ok(token)
    }
}

impl<C> Found for Access<C> {
    type Claims = C;

    fn authenticated(&self) -> Authenticated<'_> {
        Authenticated::of(self)
    }

    fn shown_by(&self) -> ShownBy<'_> {
        ShownBy::Token(&self.auth, self.session_id())
    }

    fn require<R>(&self) -> Result<(), Rejection>
    where
        Self: Ruled<R>,
    {
        self.auth.check_rule::<R>(self)
    }

    fn claims(&self) -> &C {
        self.custom()
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

    fn binding(&self) -> Option<BindingLevel> {
        self.claims().key.map(|_| BindingLevel::Key)
    }

    fn acr(&self) -> Option<&str> {
        self.claims().acr.as_deref()
    }

    fn amr(&self) -> &[Box<str>] {
        &self.claims().amr
    }
}
