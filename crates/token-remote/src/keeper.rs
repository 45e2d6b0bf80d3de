//! A verifier that is made of the keys that an issuer publishes, and kept fresh.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use thiserror::Error;
use token_core::access::VerifierError;
use token_core::keys::KeyError;
use token_core::{Algorithm, KeyId, PRODUCT, VerifyError};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use crate::fetch::{Answer, FetchError, Keys, Source, Tag};

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
    tag: Option<Tag>,
    /// From then on a new one is asked for, ahead of time.
    ahead: Instant,
    /// From then on it is used only while the issuer cannot be asked.
    stale: Instant,
    /// From then on it is not used at all.
    dead: Instant,
}

/// Who may ask, and when.
struct Attempts {
    /// Closed when the answer is there.
    asking: Option<watch::Receiver<()>>,
    next: Instant,
    failures: u32,
    /// The last attempt has failed, and only because the issuer could not be asked.
    outage: bool,
}

/// Why a token is not accepted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// The token is refused, with the evidence for the log. Answer 401.
    #[error(transparent)]
    Invalid(#[from] VerifyError),
    /// Nothing can be said of the token: the issuer was never reached or too long ago, it has not yet answered a request
    /// for the key of the token, or it cannot be asked for it while the known keys are past their `max-age`. Answer 503.
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
                    asking: None,
                    next: Instant::now(),
                    failures: 0,
                    outage: false,
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
            Err(VerifyError::UnknownKey | VerifyError::AlgorithmMismatch { .. }) => {}
            verdict => return Ok(verdict?),
        }
        self.await_answer().await;
        let set = self.usable().ok_or(RemoteError::Unavailable)?;
        verify(&set.verifier).map_err(|error| match error {
            VerifyError::UnknownKey | VerifyError::AlgorithmMismatch { .. }
                if self.inner.attempts().is_open(Instant::now() >= set.stale) =>
            {
                // The issuer may have had this key for a while, so nothing can be said of the token.
                RemoteError::Unavailable
            }
            error => error.into(),
        })
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
            Some(set) if now < set.dead => {
                if let Some(asked) = self.ask() {
                    // It has been logged already.
                    let _ = asked.await;
                }
                self.usable()
            }
            _ => {
                self.await_answer().await;
                self.usable()
            }
        }
    }

    /// The set, if it may be used.
    fn usable(&self) -> Option<Arc<Set<R::Verifier>>> {
        let set = self.inner.set.load_full();
        set.filter(|set| Instant::now() < set.dead)
    }

    /// Asks, or waits for the answer that another one has asked for, but not for long.
    async fn await_answer(&self) {
        if let Some(asked) = self.ask() {
            // It has been logged already.
            let _ = asked.await;
            return;
        }
        let asking = self.inner.attempts().asking.clone();
        if let Some(mut asking) = asking {
            // Nothing is ever sent: it is closed.
            let _ = timeout(PATIENCE, asking.changed()).await;
        }
    }

    /// Asks, unless that is being done or was done a moment ago. It goes on if nobody waits.
    fn ask(&self) -> Option<JoinHandle<Result<(), FetchError>>> {
        let mut attempts = self.inner.attempts();
        let now = Instant::now();
        if attempts.asking.is_some() || now < attempts.next {
            return None;
        }
        let (done, asking) = watch::channel(());
        attempts.asking = Some(asking);
        attempts.next = now + self.inner.settings.interval;
        drop(attempts);
        let asking = Asking {
            inner: Arc::clone(&self.inner),
            _done: done,
        };
        Some(tokio::spawn(async move {
            let result = asking.inner.renew(now).await;
            asking.inner.note(&result, now);
            result
        }))
    }
}

/// Another may ask when this is dropped, also if the runtime ends the task.
struct Asking<R: Recipe> {
    inner: Arc<Inner<R>>,
    _done: watch::Sender<()>,
}

impl<R: Recipe> Drop for Asking<R> {
    fn drop(&mut self) {
        self.inner.attempts().asking = None;
    }
}

impl Attempts {
    /// Whether it is open which keys the issuer has: it is being asked, or it could not be asked about a set
    /// that is stale.
    const fn is_open(&self, stale: bool) -> bool {
        self.asking.is_some() || (stale && self.outage)
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
            Ok(()) => {
                attempts.failures = 0;
                attempts.outage = false;
            }
            Err(error) => {
                attempts.failures += 1;
                attempts.outage = error.is_outage();
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
        let before = before.filter(|set| Instant::now() < set.dead);
        let tag = before.as_ref().and_then(|set| set.tag.as_ref());
        let Answer { keys, freshness } = self.settings.source.keys(tag).await?;
        let (min, max) = (self.settings.interval, MAX_FRESHNESS);
        let fresh = freshness.unwrap_or(DEFAULT_FRESHNESS).min(max).max(min);
        let stale = began + fresh;
        let (verifier, keys, tag) = match (keys, &before) {
            (Some(keys), before) => {
                let tag = keys.tag.clone();
                let (verifier, ids) = self.admit(keys, before.as_deref())?;
                (verifier, ids, tag)
            }
            (None, Some(before)) => (
                Arc::clone(&before.verifier),
                Arc::clone(&before.keys),
                before.tag.clone(),
            ),
            // Asked without an ETag, it cannot be told that nothing has changed.
            (None, None) => return Err(VerifierError::NoKeys.into()),
        };
        self.set.store(Some(Arc::new(Set {
            verifier,
            keys,
            tag,
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

/// How long a request waits for an answer that another one has asked for.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a set is fresh of which the issuer does not say it.
const DEFAULT_FRESHNESS: Duration = Duration::from_secs(5 * 60);

/// A key that leaked must not live on for longer, whatever the issuer says.
const MAX_FRESHNESS: Duration = Duration::from_secs(24 * 60 * 60);
