//! The extractor of callers, and what it asks.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::{FromRequestParts, OriginalUri};
use axum::http::request::Parts;
use hallpass::axum::{Refusal, Rejection};
use hallpass::core::access::ClaimsError;
use hallpass::http::{Head, ProofVerifier, TokenScheme, access_token};
use hallpass::remote::{Introspection, RemoteError, RemoteJwks};
use hallpass::session::clock::{Clock as _, SystemClock};
use hallpass::{AccessClaims, AccessError, NoClaims, SessionManager, TokenFault, VerifyError};
use tracing::{debug, warn};

/// The realm of each challenge.
const REALM: &str = "api";

/// Decides whether a token is accepted.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    keys: RemoteJwks,
    revocation: Revocation,
    /// For tokens that are bound to a key of their client (RFC 9449).
    proofs: ProofVerifier,
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
        proofs: ProofVerifier,
        metadata: Option<Arc<str>>,
    ) -> Self {
        Self {
            keys,
            revocation,
            proofs,
            metadata,
        }
    }

    /// The answer to a request that is refused, whose token came by this scheme or has to.
    fn refused(&self, scheme: TokenScheme, refusal: Refusal) -> Rejection {
        let metadata = self.metadata.clone();
        hallpass::http::Rejection::at_resource(refusal, REALM)
            .with_scheme(scheme)
            .with_resource_metadata(metadata)
            .into()
    }

    /// Accepts a token that came by this scheme; or says by which scheme it has to come, and why it is refused.
    async fn accept(
        &self,
        head: &Head<'_>,
        scheme: TokenScheme,
        token: &str,
    ) -> Result<AccessClaims, (TokenScheme, Refusal)> {
        let refused = |refusal| (scheme, refusal);
        let now = SystemClock.now();
        let proof = match scheme {
            TokenScheme::Bearer => None,
            TokenScheme::Dpop => Some(self.proofs.verify(head, token, now).map_err(refused)?),
        };
        // Verified here first, so that a malformed token costs the issuer nothing.
        let verified = self
            .keys
            .verify_with::<NoClaims>(token, proof.as_ref(), now);
        let verified = match verified.await {
            Ok(verified) => verified,
            Err(RemoteError::Invalid(error)) => {
                debug!(%error, "access token refused");
                let is_bound = matches!(error, VerifyError::Claims(ClaimsError::BoundToKey));
                let scheme = if is_bound { TokenScheme::Dpop } else { scheme };
                let expired = error.is_expired();
                let fault = if expired {
                    TokenFault::Expired
                } else {
                    TokenFault::Invalid
                };
                return Err((scheme, Refusal::InvalidToken(fault)));
            }
            // Nothing is known of the token, so it is not called invalid.
            Err(error) => {
                warn!(%error, "an access token could not be verified");
                return Err(refused(Refusal::TemporarilyUnavailable));
            }
        };
        let claims = verified.into_claims();
        let checked = self.revocation.check(token, &claims).await;
        checked.map_err(refused)?;
        if let Some(proof) = &proof {
            let used = self.proofs.remember(proof, claims.session_id, now);
            used.map_err(refused)?;
        }
        Ok(claims)
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

/// A caller with a valid access token in `Authorization: Bearer`, or in `Authorization: DPoP` with a proof.
#[derive(Debug)]
pub(crate) struct Caller {
    claims: AccessClaims,
    scheme: TokenScheme,
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
        Err(self.tokens.refused(self.scheme, refusal))
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
        // `Router::nest` takes the beginning off `parts.uri`, and clients sign the whole path.
        let original = parts.extensions.get::<OriginalUri>();
        let head = Head {
            method: &parts.method,
            uri: original.map_or(&parts.uri, |OriginalUri(uri)| uri),
            headers: &parts.headers,
            peer: None,
        };
        let found = access_token(&head).and_then(|found| found.ok_or(Refusal::Unauthorized));
        let (scheme, token) =
            found.map_err(|refusal| tokens.refused(TokenScheme::Bearer, refusal))?;
        let claims = tokens.accept(&head, scheme, token).await;
        Ok(Self {
            claims: claims.map_err(|(scheme, refusal)| tokens.refused(scheme, refusal))?,
            scheme,
            tokens: tokens.clone(),
        })
    }
}
