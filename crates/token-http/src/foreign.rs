//! A caller with a token of another issuer.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use token_core::foreign::{ForeignClaims, ForeignToken};
use token_core::{NoClaims, PRODUCT, Scope, Subject, UnixTime, VerifyError};
use token_remote::{RemoteError, RemoteIssuer};
use token_session::clock::{Clock as _, SystemClock};
use tracing::{debug, warn};

use crate::bearer::{credential, is_token};
use crate::refusal::{Refusal, TokenFault};
use crate::rejection::Rejection;
use crate::resource::ProtectedResource;
use crate::rule::{Authenticated, Found, Ruled, ShownBy};

/// One other issuer whose tokens are accepted, and the realm of the challenges. Cheap to clone; make one
/// for each issuer and keep it in the application's state. It needs no sessions and no store.
#[derive(Clone, Debug)]
pub struct ForeignAuth {
    issuer: RemoteIssuer,
    realm: Arc<str>,
    /// The URL that challenges name.
    metadata: Option<Arc<str>>,
}

impl ForeignAuth {
    /// Joins an issuer and the realm that refused requests are told, such as `api`. Characters that
    /// cannot be quoted in a header are left out of it.
    pub fn new(issuer: RemoteIssuer, realm: impl Into<Arc<str>>) -> Self {
        Self {
            issuer,
            realm: realm.into(),
            metadata: None,
        }
    }

    /// Names in each challenge what the resource says of itself. The adapter's `protected_resource` serves
    /// that document.
    #[must_use]
    pub fn protected_resource(mut self, resource: &ProtectedResource) -> Self {
        self.metadata = Some(resource.metadata_url());
        self
    }

    /// The issuer.
    pub const fn issuer(&self) -> &RemoteIssuer {
        &self.issuer
    }

    /// Refuses a request, with the challenge that goes with the refusal, and logs it at `debug`.
    pub fn reject(&self, refusal: Refusal) -> Rejection {
        self.challenge(refusal.logged())
    }

    /// Authenticates a request by the values of its `Authorization` field; `None` if there is no bearer
    /// token in them. Adapters call it.
    ///
    /// # Errors
    /// [`Refusal::InvalidRequest`] and [`Refusal::InvalidToken`] if the token is not valid,
    /// [`Refusal::TemporarilyUnavailable`] if the issuer's keys are not known.
    pub async fn foreign<'a, C: DeserializeOwned + Send + Sync + 'static>(
        self,
        authorization: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Option<Foreign<C>>, Rejection> {
        let malformed = |refusal: Refusal| {
            let why = "`Authorization` is not of the form `Bearer TOKEN`, or comes twice";
            self.challenge(refusal.because(why))
        };
        let Some(token) = credential(authorization).map_err(malformed)? else {
            return Ok(None);
        };
        match self.issuer.verify(token).await {
            Ok(token) => Ok(Some(Foreign { token, auth: self })),
            Err(RemoteError::Invalid(_)) if !is_token(token) => {
                Err(malformed(Refusal::InvalidRequest))
            }
            // Only this library can have signed it, so the route asks for another kind of caller.
            Err(RemoteError::Invalid(VerifyError::HasSession)) => {
                warn!(
                    target: PRODUCT,
                    "a token of this library came to a route that takes `Foreign`, for tokens of other issuers; \
                     let the route take `Access`, or verify it with `RemoteJwks`"
                );
                Err(self.challenge(Refusal::InvalidToken(TokenFault::Invalid)))
            }
            Err(RemoteError::Invalid(error)) => {
                debug!(target: PRODUCT, %error, "a token of another issuer was refused");
                let fault = if error.is_expired() {
                    TokenFault::Expired
                } else {
                    TokenFault::Invalid
                };
                Err(self.challenge(Refusal::InvalidToken(fault)))
            }
            // Nothing is known of the token, so it is not called invalid.
            Err(error) => {
                warn!(target: PRODUCT, %error, "a token of another issuer could not be verified");
                Err(Rejection::temporarily_unavailable())
            }
        }
    }

    fn challenge(&self, refusal: Refusal) -> Rejection {
        let rejection = Rejection::resource(refusal, Some(Arc::clone(&self.realm)));
        rejection.with_resource_metadata(self.metadata.clone())
    }
}

/// A caller with a valid token of another issuer. `C` is the type of its other claims.
///
/// There is no session here behind it: it cannot be listed or ended, and it works until it expires.
#[derive(Debug)]
pub struct Foreign<C = NoClaims> {
    token: Arc<ForeignToken<C>>,
    auth: ForeignAuth,
}

impl<C> Foreign<C> {
    /// Everything that the token says.
    pub fn claims(&self) -> &ForeignClaims<C> {
        self.token.claims()
    }

    /// Who is calling. It means somebody only together with the issuer.
    pub fn subject(&self) -> &Subject {
        &self.claims().subject
    }

    /// What the caller may do.
    pub fn scope(&self) -> &Scope {
        &self.claims().scope
    }

    /// When the caller last authenticated, by the issuer's clock, if the token says so.
    pub fn auth_time(&self) -> Option<UnixTime> {
        self.claims().auth_time
    }

    /// The claims that the profile does not name.
    pub fn custom(&self) -> &C {
        &self.claims().custom
    }
}

impl<C> Found for Foreign<C> {
    type Claims = C;

    fn claims(&self) -> &C {
        self.custom()
    }

    /// A token that does not say when its subject authenticated meets no rule that asks for it.
    fn shown_by(&self) -> ShownBy<'_> {
        ShownBy::Elsewhere
    }

    fn authenticated(&self) -> Authenticated<'_> {
        let claims = self.claims();
        Authenticated {
            scope: &claims.scope,
            binding: None,
            auth_time: claims.auth_time,
            acr: claims.acr.as_deref(),
            amr: &claims.amr,
        }
    }

    fn require<R>(&self) -> Result<(), Rejection>
    where
        Self: Ruled<R>,
    {
        let refusal = Ruled::<R>::meets(self, SystemClock.now(), TOLERANCE);
        refusal.map_err(|refusal| self.auth.challenge(refusal))
    }
}

/// How far the clocks of the issuer and of this machine may differ, as NTP keeps them, with room.
const TOLERANCE: Duration = Duration::from_secs(5);
