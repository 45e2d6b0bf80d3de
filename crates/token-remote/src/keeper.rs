//! A verifier that is made of the keys that an issuer publishes, and kept fresh.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use reqwest::header::HeaderValue;
use thiserror::Error;
use token_core::access::VerifierError;
use token_core::keys::KeyError;
use token_core::{Algorithm, KeyId, PRODUCT, VerifyError};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::fetch::{Answer, FetchError, Keys, Source};

/// What is made of a key set.
pub(crate) trait Recipe: Send + Sync + 'static {
    /// What verifies with the keys.
    type Verifier: Send + Sync + 'static;

    /// Makes it of a set. The keys that are refused have their reasons.
    fn make(&self, json: &str) -> Result<Made<Self::Verifier>, KeyError>;
}

/// What was made of a key set.
pub(crate) struct Made<V> {
    /// The usable keys.
    pub(crate) keys: Vec<(KeyId, Algorithm)>,
    /// The place of each other key in the set, and the rule that it breaks.
    pub(crate) refused: Vec<(usize, KeyError)>,
    pub(crate) verifier: Result<V, VerifierError>,
}

/// Keeps a verifier fresh. Cheap to clone.
pub(crate) struct Keeper<R: Recipe> {
    inner: Arc<Inner<R>>,
}

impl<R: Recipe> Clone for Keeper<R> {
    fn clone(&self) -> Self {
        let inner = Arc::clone(&self.inner);
        Self { inner }
    }
}

struct Inner<R: Recipe> {
    settings: Settings<R>,
    set: ArcSwapOption<Set<R::Verifier>>,
    attempts: Mutex<Attempts>,
}

pub(crate) struct Settings<R> {
    pub(crate) source: Source,
    pub(crate) recipe: R,
    pub(crate) interval: Duration,
    pub(crate) keep: Duration,
}

/// A good set, and until when it is what.
struct Set<V> {
    verifier: Arc<V>,
    keys: Arc<[(KeyId, Algorithm)]>,
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

impl<R: Recipe> Keeper<R> {
    pub(crate) fn new(settings: Settings<R>) -> Self {
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

    /// Asks for the keys now.
    pub(crate) async fn fetch(&self) -> Result<(), FetchError> {
        match self.ask() {
            // The task ends by panicking or not at all, and it does not panic.
            Some(asked) => asked.await.unwrap_or(Err(FetchError::TooSoon)),
            None => Err(FetchError::TooSoon),
        }
    }

    /// Verifies with the last good set, and with a new one if a key is not known.
    pub(crate) async fn verify<T>(
        &self,
        verify: impl Fn(&R::Verifier) -> Result<T, VerifyError>,
    ) -> Result<T, RemoteError> {
        let set = self.set().await.ok_or(RemoteError::Unavailable)?;
        match verify(&set.verifier) {
            // A key that is newer than the set, or nonsense: one request an interval finds out.
            Err(error @ (VerifyError::UnknownKey | VerifyError::AlgorithmMismatch { .. })) => {
                match self.fetch().await {
                    Ok(()) => {
                        let set = self.inner.set.load_full();
                        let set = set.ok_or(RemoteError::Unavailable)?;
                        Ok(verify(&set.verifier)?)
                    }
                    Err(_) => Err(error.into()),
                }
            }
            verdict => Ok(verdict?),
        }
    }

    /// Whether there is a set. Without one, what is not even a token should cost the issuer nothing.
    pub(crate) fn has_keys(&self) -> bool {
        self.inner.set.load().is_some()
    }

    /// Where the keys come from.
    pub(crate) fn source(&self) -> &Source {
        &self.inner.settings.source
    }

    /// The set to verify with.
    async fn set(&self) -> Option<Arc<Set<R::Verifier>>> {
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
struct Asking<R: Recipe>(Arc<Inner<R>>);

impl<R: Recipe> Drop for Asking<R> {
    fn drop(&mut self) {
        self.0.attempts().asking = false;
    }
}

impl<R: Recipe> Inner<R> {
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
        let (verifier, keys, etag) = match (keys, &before) {
            (Some(keys), before) => {
                let etag = keys.etag.clone();
                let (verifier, ids) = self.admit(keys, before.as_deref())?;
                (verifier, ids, etag)
            }
            (None, Some(before)) => (
                Arc::clone(&before.verifier),
                Arc::clone(&before.keys),
                before.etag.clone(),
            ),
            // Asked without an ETag, it cannot be told that nothing has changed.
            (None, None) => return Err(VerifierError::NoKeys.into()),
        };
        self.set.store(Some(Arc::new(Set {
            verifier,
            keys,
            etag,
            ahead: began + fresh.mul_f32(0.75),
            stale,
            dead: stale + self.settings.keep,
        })));
        Ok(())
    }

    /// The usable keys of a set, if they may follow those of before.
    fn admit(
        &self,
        Keys { address, json, .. }: Keys,
        before: Option<&Set<R::Verifier>>,
    ) -> Result<Admitted<R>, FetchError> {
        let issuer = &*self.settings.source.issuer;
        let address = || address.as_str().into();
        let made = self.settings.recipe.make(&json);
        let made = made.map_err(|source| FetchError::Set {
            address: address(),
            source,
        })?;
        let Made {
            keys,
            refused,
            verifier,
        } = made;
        for (index, reason) in &refused {
            warn!(target: PRODUCT, index, %reason, issuer, "a key of the issuer is not used");
        }
        if keys.is_empty() {
            return Err(FetchError::NoUsableKey {
                address: address(),
                refused,
            });
        }
        // > Moreover, each key MUST be used with exactly one algorithm
        // RFC 8725 section 3.1. A key of another algorithm may come to stand beside one with the same
        // id (RFC 7517 section 4.5), but not in its place.
        let known = before.map_or(&[][..], |set| &set.keys);
        let has = |keys: &[(KeyId, Algorithm)], (id, algorithm): &(KeyId, Algorithm)| {
            let mut keys = keys.iter();
            keys.any(|key| key.0 == *id && key.1.is_same_as(*algorithm))
        };
        for (id, now) in keys.iter().filter(|key| !has(known, key)) {
            let replaced = known.iter().find(|key| key.0 == *id && !has(&keys, key));
            if let Some((_, before)) = replaced {
                return Err(FetchError::Algorithm {
                    id: id.clone(),
                    before: *before,
                    now: *now,
                });
            }
        }
        let verifier = verifier?;
        if known != keys {
            let ids: Vec<&str> = keys.iter().map(|(id, _)| id.as_str()).collect();
            info!(target: PRODUCT, issuer, keys = ids.join(" "), "the issuer's keys");
        }
        Ok((Arc::new(verifier), keys.into()))
    }
}

/// A verifier, and the keys that it has.
type Admitted<R> = (Arc<<R as Recipe>::Verifier>, Arc<[(KeyId, Algorithm)]>);

/// How long a set is fresh of which the issuer does not say it.
const DEFAULT_FRESHNESS: Duration = Duration::from_secs(5 * 60);

/// A key that leaked must not live on for longer, whatever the issuer says.
const MAX_FRESHNESS: Duration = Duration::from_secs(24 * 60 * 60);
