//! Tokens of another issuer, with the keys that it publishes.

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use token_core::foreign::{
    ForeignKeys, ForeignToken, ForeignVerifier, ForeignVerifierBuilder, Profile,
};
use token_core::keys::KeyError;
use token_core::{UnixTime, UntrustedToken, VerifyingKey};
use token_session::CachedVerifier;

use crate::fetch::FetchError;
use crate::keeper::{Keeper, Made, Recipe, RemoteError, Settings};

/// Verifies tokens of one issuer that does not use this library, such as Entra ID, Okta or a cluster of
/// Kubernetes, with the keys that it publishes. It is cheap to clone; make one per issuer.
///
/// The keys are fetched, kept and renewed as [`RemoteJwks`](crate::RemoteJwks) does it. Tokens that were
/// accepted are kept in memory, so that the next request with the same token needs no cryptography.
///
/// ```no_run
/// use token_core::foreign::Profile;
/// use token_remote::{RemoteError, RemoteIssuer};
///
/// # async fn f(bearer: &str) -> Result<(), Box<dyn std::error::Error>> {
/// // Once, at start.
/// let okta = RemoteIssuer::builder(
///     "https://dev-1.okta.com/oauth2/default".parse()?,
///     "api://default".parse()?,
///     Profile::OKTA,
/// )
/// .build()?;
/// okta.fetch().await?;
///
/// // At each request.
/// match okta.verify(bearer).await {
///     Ok(token) => {
///         let token: &token_core::foreign::ForeignToken = &token;
///         println!("{} is calling", token.claims().subject);
///     }
///     Err(RemoteError::Invalid(_)) => { /* 401 */ }
///     Err(_) => { /* 503: the issuer was never reached, or too long ago */ }
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RemoteIssuer(Keeper<ForeignTokens>);

/// Makes a verifier of tokens of another issuer.
pub(crate) struct ForeignTokens {
    pub(crate) verifier: ForeignVerifierBuilder,
    pub(crate) profile: Profile,
    /// How much of tokens and claims is kept, in bytes.
    pub(crate) cache: usize,
}

impl Recipe for ForeignTokens {
    type Verifier = CachedVerifier<ForeignVerifier>;

    fn make(&self, json: &str) -> Result<Made<Self::Verifier>, KeyError> {
        let keys = ForeignKeys::parse(json, &self.profile)?;
        let id = |key: &VerifyingKey| (key.id().clone(), key.algorithm());
        let (ids, refused) = (keys.keys().iter().map(id), keys.refused().to_vec());
        let ids = ids.collect();
        let verifier = self.verifier.clone().keys(keys).build();
        Ok(Made {
            verifier: verifier.map(|verifier| CachedVerifier::new(verifier, self.cache)),
            keys: ids,
            refused,
        })
    }
}

impl RemoteIssuer {
    pub(crate) fn new(settings: Settings<ForeignTokens>) -> Self {
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
    pub async fn verify<C: DeserializeOwned + Send + Sync + 'static>(
        &self,
        token: impl AsRef<[u8]>,
    ) -> Result<Arc<ForeignToken<C>>, RemoteError> {
        self.verify_at(token, chrono::Utc::now().into()).await
    }

    /// Accepts a token; `now` is the caller's clock.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub async fn verify_at<C: DeserializeOwned + Send + Sync + 'static>(
        &self,
        token: impl AsRef<[u8]>,
        now: UnixTime,
    ) -> Result<Arc<ForeignToken<C>>, RemoteError> {
        let token = token.as_ref();
        if !self.0.has_keys() {
            UntrustedToken::parse(token)?;
        }
        let verify = |verifier: &CachedVerifier<ForeignVerifier>| verifier.verify(token, now);
        self.0.verify(verify).await
    }
}

impl fmt::Debug for RemoteIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteIssuer")
            .field("source", self.0.source())
            .field("has_keys", &self.0.has_keys())
            .finish_non_exhaustive()
    }
}
