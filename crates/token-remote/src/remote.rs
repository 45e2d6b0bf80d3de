//! Access tokens of this library in another service.

use std::fmt;

use serde::de::DeserializeOwned;
use token_core::access::VerifierBuilder;
use token_core::binding::dpop::VerifiedProof;
use token_core::keys::{JwkSet, KeyError};
use token_core::{Algorithm, UnixTime, UntrustedToken, VerifiedToken, Verifier};

use crate::fetch::FetchError;
use crate::keeper::{Keeper, Made, Recipe, RemoteError, Settings};

/// Verifies access tokens with the keys that their issuer publishes. It is cheap to clone; make one
/// per issuer.
///
/// It verifies with the last good set, and asks for a new one
/// - ahead, when three quarters of the set's `max-age` have passed, beside the requests;
/// - when it is stale: then the one request that asks waits for the answer, and all others go on with what there is;
/// - when a token has an unknown `kid`, or there is no set: then each such request waits for the answer, those that have
///   not asked for 5 s at most. If the answer is not there by then, or the issuer cannot be asked and the set is stale,
///   such a token is [`RemoteError::Unavailable`] and not refused, since its key may be newer than the set.
///
/// It asks at most once an interval, whatever comes in. Every answer that is not a good set is
/// logged, and the last good one stays. The guarantees of a
/// `Schedule` of `token-session` hold for it: it keeps no set for longer than its
/// `max-age`, unless the issuer cannot be asked.
///
/// For tokens of an issuer that does not use this library, see [`RemoteIssuer`](crate::RemoteIssuer).
#[derive(Clone)]
pub struct RemoteJwks(Keeper<OwnTokens>);

/// Makes a verifier of tokens of this library.
pub(crate) struct OwnTokens {
    pub(crate) verifier: VerifierBuilder,
    /// Of which algorithms keys are believed; none for all.
    pub(crate) algorithms: Vec<Algorithm>,
}

impl Recipe for OwnTokens {
    type Verifier = Verifier;

    fn make(&self, json: &str) -> Result<Made<Verifier>, KeyError> {
        let algorithms = match &*self.algorithms {
            [] => Algorithm::ALL,
            chosen => chosen,
        };
        let JwkSet { keys, refused, .. } = JwkSet::parse(json, algorithms)?;
        let id = |key: &token_core::VerifyingKey| (key.id().clone(), key.algorithm());
        Ok(Made {
            verifier: self.verifier.clone().keys(&keys).build(),
            keys: keys.iter().map(id).collect(),
            refused,
        })
    }
}

impl RemoteJwks {
    pub(crate) fn new(settings: Settings<OwnTokens>) -> Self {
        Self(Keeper::new(settings))
    }

    /// Asks for the keys now. Await it once at start, so that a wrong address is found then;
    /// if [`FetchError::is_outage`] says so, go on without: the requests ask again.
    ///
    /// # Errors
    /// [`FetchError`]; the last good set, if there is one, stays.
    pub async fn fetch(&self) -> Result<(), FetchError> {
        self.0.fetch().await
    }

    /// Accepts a token, by the machine's clock.
    ///
    /// # Errors
    /// [`RemoteError::Invalid`] refuses the token; [`RemoteError::Unavailable`] says nothing of it.
    pub async fn verify<C: DeserializeOwned>(
        &self,
        token: &str,
    ) -> Result<VerifiedToken<C>, RemoteError> {
        self.verify_at(token, chrono::Utc::now().into()).await
    }

    /// Accepts a token; `now` is the caller's clock.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub async fn verify_at<C: DeserializeOwned>(
        &self,
        token: &str,
        now: UnixTime,
    ) -> Result<VerifiedToken<C>, RemoteError> {
        self.verify_with(token, None, now).await
    }

    /// Accepts a token that came with a proof of its client's key
    /// ([RFC 9449](https://www.rfc-editor.org/rfc/rfc9449)), or without one; `now` is the caller's clock.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub async fn verify_with<C: DeserializeOwned>(
        &self,
        token: &str,
        proof: Option<&VerifiedProof>,
        now: UnixTime,
    ) -> Result<VerifiedToken<C>, RemoteError> {
        let token = self.verify_any(token, now).await?;
        token.check_proof(proof)?;
        Ok(token)
    }

    async fn verify_any<C: DeserializeOwned>(
        &self,
        token: &str,
        now: UnixTime,
    ) -> Result<VerifiedToken<C>, RemoteError> {
        let token = UntrustedToken::parse(token)?;
        let verify = |verifier: &Verifier| verifier.verify_unproven(token, now);
        self.0.verify(verify).await
    }
}

impl fmt::Debug for RemoteJwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteJwks")
            .field("source", self.0.source())
            .field("has_keys", &self.0.has_keys())
            .finish_non_exhaustive()
    }
}
