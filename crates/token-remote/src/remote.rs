//! The keys of an issuer, kept fresh.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use reqwest::header::HeaderValue;
use serde::de::DeserializeOwned;
use thiserror::Error;
use token_core::access::{VerifierBuilder, VerifierError};
use token_core::binding::dpop::VerifiedProof;
use token_core::{
    Algorithm, KeyId, PRODUCT, UnixTime, UntrustedToken, VerifiedToken, Verifier, VerifyError,
};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::fetch::{Answer, FetchError, Keys, Source};

/// Verifies access tokens with the keys that their issuer publishes. It is cheap to clone; make one
/// per issuer.
///
/// It verifies with the last good set, and asks for a new one
/// - ahead, when three quarters of the set's `max-age` have passed, beside the requests;
/// - when it is stale, or a token has an unknown `kid`: then the one request that asks waits for
///   the answer, and all others go on with what there is.
///
/// It asks at most once an interval, whatever comes in. Every answer that is not a good set is
/// logged, and the last good one stays. The guarantees of a
/// `Schedule` of `token-session` hold for it: it keeps no set for longer than its
/// `max-age`, unless the issuer cannot be asked.
#[derive(Clone)]
pub struct RemoteJwks {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    set: ArcSwapOption<Set>,
    attempts: Mutex<Attempts>,
}

pub(crate) struct Settings {
    pub(crate) source: Source,
    pub(crate) verifier: VerifierBuilder,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) interval: Duration,
    pub(crate) keep: Duration,
}

/// A good set, and until when it is what.
#[derive(Clone)]
struct Set {
    verifier: Verifier,
    keys: Vec<(KeyId, Algorithm)>,
    etag: Option<HeaderValue>,
    /// From then on a new one is asked for, ahead of time.
    ahead: Instant,
    /// From then on it is used only while the issuer cannot be asked.
    stale: Instant,
    /// From then on it is not used at all.
    dead: Instant,
}

/// Who may ask, and when.
struct Attempts {
    asking: bool,
    next: Instant,
    failures: u32,
}

/// Why a token is not accepted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// The token is refused, with the evidence for the log. Answer 401.
    #[error(transparent)]
    Invalid(#[from] VerifyError),
    /// There are no keys to verify with: the issuer was never reached, or too long ago. 503.
    #[error("the issuer's keys are not known")]
    Unavailable,
}

impl RemoteJwks {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            inner: Arc::new(Inner {
                settings,
                set: ArcSwapOption::empty(),
                attempts: Mutex::new(Attempts {
                    asking: false,
                    next: Instant::now(),
                    failures: 0,
                }),
            }),
        }
    }

    /// Asks for the keys now. Await it once at start, so that a wrong address is found then;
    /// if [`FetchError::is_outage`] says so, go on without: the requests ask again.
    ///
    /// # Errors
    /// [`FetchError`]; the last good set, if there is one, stays.
    pub async fn fetch(&self) -> Result<(), FetchError> {
        match self.ask() {
            // The task ends by panicking or not at all, and it does not panic.
            Some(asked) => asked.await.unwrap_or(Err(FetchError::TooSoon)),
            None => Err(FetchError::TooSoon),
        }
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
        Ok(token.presented_with(proof)?)
    }

    async fn verify_any<C: DeserializeOwned>(
        &self,
        token: &str,
        now: UnixTime,
    ) -> Result<VerifiedToken<C>, RemoteError> {
        let token = UntrustedToken::parse(token)?;
        let set = self.set().await.ok_or(RemoteError::Unavailable)?;
        match set.verifier.verify_unproven(token, now) {
            // A key that is newer than the set, or nonsense: one request an interval finds out.
            Err(error @ (VerifyError::UnknownKey | VerifyError::AlgorithmMismatch { .. })) => {
                match self.fetch().await {
                    Ok(()) => {
                        let set = self.inner.set.load_full();
                        let set = set.ok_or(RemoteError::Unavailable)?;
                        Ok(set.verifier.verify_unproven(token, now)?)
                    }
                    Err(_) => Err(error.into()),
                }
            }
            verdict => Ok(verdict?),
        }
    }

    /// The set to verify with.
    async fn set(&self) -> Option<Arc<Set>> {
        let set = self.inner.set.load_full();
        let now = Instant::now();
        match set {
            Some(set) if now < set.ahead => Some(set),
            Some(set) if now < set.stale => {
                // Beside the request: the set is good.
                drop(self.ask());
                Some(set)
            }
            _ => {
                if let Some(asked) = self.ask() {
                    // It has been logged already.
                    let _ = asked.await;
                }
                let set = self.inner.set.load_full();
                set.filter(|set| Instant::now() < set.dead)
            }
        }
    }

    /// Asks, unless that is being done or was done a moment ago. It goes on if nobody waits.
    fn ask(&self) -> Option<JoinHandle<Result<(), FetchError>>> {
        let mut attempts = self.inner.attempts();
        let now = Instant::now();
        if attempts.asking || now < attempts.next {
            return None;
        }
        attempts.asking = true;
        attempts.next = now + self.inner.settings.interval;
        drop(attempts);
        let asking = Asking(Arc::clone(&self.inner));
        Some(tokio::spawn(async move {
            let result = asking.0.renew(now).await;
            asking.0.note(&result, now);
            result
        }))
    }
}

/// Another may ask when this is dropped, also if the runtime ends the task.
struct Asking(Arc<Inner>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.attempts().asking = false;
    }
}

impl Inner {
    fn attempts(&self) -> std::sync::MutexGuard<'_, Attempts> {
        // Held for a few instructions, none of which can panic.
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, result: &Result<(), FetchError>, began: Instant) {
        let mut attempts = self.attempts();
        match result {
            Ok(()) => attempts.failures = 0,
            Err(error) => {
                attempts.failures += 1;
                // An issuer in trouble is asked less and less, but is found again soon.
                let factor = 2_u32.pow(attempts.failures.min(3)).min(6);
                attempts.next = began + self.settings.interval * factor;
                drop(attempts);
                let error = error as &dyn std::error::Error;
                warn!(target: PRODUCT, error, issuer = %self.settings.source.issuer, "the issuer's keys could not be renewed");
            }
        }
    }

    /// Asks for a set and takes it. `began` is when: its `max-age` counts from there at least.
    async fn renew(&self, began: Instant) -> Result<(), FetchError> {
        let before = self.set.load_full();
        let etag = before.as_ref().and_then(|set| set.etag.as_ref());
        let Answer { keys, freshness } = self.settings.source.keys(etag).await?;
        let (min, max) = (self.settings.interval, MAX_FRESHNESS);
        let fresh = freshness.unwrap_or(DEFAULT_FRESHNESS).min(max).max(min);
        let stale = began + fresh;
        let mut set = match (keys, &before) {
            (Some(keys), before) => self.admit(keys, before.as_deref())?,
            (None, Some(before)) => Set::clone(before),
            // Asked without an ETag, it cannot be told that nothing has changed.
            (None, None) => return Err(VerifierError::NoKeys.into()),
        };
        set.ahead = began + fresh.mul_f32(0.75);
        set.stale = stale;
        set.dead = stale + self.settings.keep;
        self.set.store(Some(Arc::new(set)));
        Ok(())
    }

    /// The usable keys of a set, if they may follow those of before.
    fn admit(&self, Keys { set, etag }: Keys, before: Option<&Set>) -> Result<Set, FetchError> {
        let issuer = &*self.settings.source.issuer;
        for (index, reason) in &set.refused {
            warn!(target: PRODUCT, index, %reason, issuer, "a key of the issuer is not used");
        }
        let wanted = &self.settings.algorithms;
        let mut verifier = self.settings.verifier.clone();
        let mut keys = Vec::new();
        for key in &set.keys {
            let (id, algorithm) = (key.id(), key.algorithm());
            if !wanted.is_empty() && !wanted.contains(&algorithm) {
                warn!(target: PRODUCT, %id, %algorithm, issuer, "a key of the issuer has another algorithm");
                continue;
            }
            keys.push((id.clone(), algorithm));
            verifier = verifier.keys([key]);
        }
        // > Moreover, each key MUST be used with exactly one algorithm
        // RFC 8725 section 3.1. A key of another algorithm may come to stand beside one with the same
        // id (RFC 7517 section 4.5), but not in its place.
        let known = before.map_or(&[][..], |set| &set.keys);
        for (id, now) in keys.iter().filter(|key| !known.contains(key)) {
            let replaced = known.iter().find(|key| key.0 == *id && !keys.contains(key));
            if let Some((_, before)) = replaced {
                return Err(FetchError::Algorithm {
                    id: id.clone(),
                    before: *before,
                    now: *now,
                });
            }
        }
        let verifier = verifier.build()?;
        if before.is_none_or(|before| before.keys != keys) {
            let ids: Vec<&str> = keys.iter().map(|(id, _)| id.as_str()).collect();
            info!(target: PRODUCT, issuer, keys = ids.join(" "), "the issuer's keys");
        }
        let now = Instant::now();
        Ok(Set {
            verifier,
            keys,
            etag,
            ahead: now,
            stale: now,
            dead: now,
        })
    }
}

impl fmt::Debug for RemoteJwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteJwks")
            .field("source", &self.inner.settings.source)
            .field("has_keys", &self.inner.set.load().is_some())
            .finish_non_exhaustive()
    }
}

/// How long a set is fresh of which the issuer does not say it.
const DEFAULT_FRESHNESS: Duration = Duration::from_secs(5 * 60);

/// A key that leaked must not live on for longer, whatever the issuer says.
const MAX_FRESHNESS: Duration = Duration::from_secs(24 * 60 * 60);
