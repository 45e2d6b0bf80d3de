//! The extractor of callers, and what it asks.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use hallpass::axum::{Refusal, Rejection};
use hallpass::http::{Head, bearer};
use hallpass::remote::{Introspection, RemoteError, RemoteJwks};
use hallpass::{AccessClaims, AccessError, NoClaims, SessionManager, TokenFault};
use tracing::{debug, warn};

/// The realm of each challenge.
const REALM: &str = "api";

/// Decides whether a token is accepted.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    keys: RemoteJwks,
    revocation: Revocation,
    /// Where this service says who issues its tokens, if its audience is a URL.
    metadata: Option<Arc<str>>,
}

/// Who knows whether a session has ended.
#[derive(Clone, Debug)]
pub(crate) enum Revocation {
    /// The issuer's store, by its feed.
    Feed(SessionManager),
    /// The issuer.
    Introspection(Introspection),
    /// Nobody: a token is accepted until it expires.
    Nobody,
}

impl Tokens {
    pub(crate) const fn new(
        keys: RemoteJwks,
        revocation: Revocation,
        metadata: Option<Arc<str>>,
    ) -> Self {
        Self {
            keys,
            revocation,
            metadata,
        }
    }

    /// The answer to a request that is refused.
    fn refused(&self, refusal: Refusal) -> Rejection {
        let metadata = self.metadata.clone();
        hallpass::http::Rejection::at_resource(refusal, REALM)
            .with_resource_metadata(metadata)
            .into()
    }

    async fn accept(&self, token: &str) -> Result<AccessClaims, Refusal> {
        let token_is = Refusal::InvalidToken;
        // Verified here first, so that a malformed token costs the issuer nothing.
        let verified = match self.keys.verify::<NoClaims>(token).await {
            Ok(verified) => verified,
            Err(RemoteError::Invalid(error)) => {
                debug!(%error, "access token refused");
                let expired = error.is_expired();
                let fault = if expired {
                    TokenFault::Expired
                } else {
                    TokenFault::Invalid
                };
                return Err(token_is(fault));
            }
            // Nothing is known of the token, so it is not called invalid.
            Err(error) => {
                warn!(%error, "an access token could not be verified");
                return Err(Refusal::TemporarilyUnavailable);
            }
        };
        self.revocation.check(token, verified.claims()).await?;
        Ok(verified.into_claims())
    }
}

impl Revocation {
    /// Refuses the token of a session that has ended.
    async fn check(&self, token: &str, claims: &AccessClaims) -> Result<(), Refusal> {
        let revoked = Refusal::InvalidToken(TokenFault::Revoked);
        match self {
            Self::Feed(manager) => match manager.refuse_ended(claims).await {
                Ok(()) => Ok(()),
                Err(AccessError::Revoked { .. }) => Err(revoked),
                Err(error) => {
                    warn!(%error, "it is not known which sessions have ended");
                    Err(Refusal::TemporarilyUnavailable)
                }
            },
            Self::Introspection(introspection) => match introspection.is_active(token).await {
                Ok(true) => Ok(()),
                Ok(false) => Err(revoked),
                Err(error) => {
                    warn!(%error, "the issuer does not say whether an access token is still active");
                    Err(Refusal::TemporarilyUnavailable)
                }
            },
            Self::Nobody => Ok(()),
        }
    }
}

/// A caller with a valid access token in `Authorization: Bearer`.
#[derive(Debug)]
pub(crate) struct Caller {
    claims: AccessClaims,
    tokens: Tokens,
}

impl Caller {
    /// Refuses a caller without this scope value.
    pub(crate) fn require(&self, scope: &str) -> Result<(), Rejection> {
        if self.scope.contains(scope) {
            return Ok(());
        }
        let scope = scope.into();
        let refusal = Refusal::InsufficientScope { scope };
        Err(self.tokens.refused(refusal))
    }
}

impl Deref for Caller {
    type Target = AccessClaims;

    fn deref(&self) -> &AccessClaims {
        &self.claims
    }
}

impl FromRequestParts<Tokens> for Caller {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, tokens: &Tokens) -> Result<Self, Rejection> {
        let head = Head {
            method: &parts.method,
            uri: &parts.uri,
            headers: &parts.headers,
            peer: None,
        };
        let token = bearer(&head).and_then(|token| token.ok_or(Refusal::Unauthorized));
        let refused = |refusal| tokens.refused(refusal);
        let claims = tokens.accept(token.map_err(refused)?).await;
        Ok(Self {
            claims: claims.map_err(refused)?,
            tokens: tokens.clone(),
        })
    }
}
