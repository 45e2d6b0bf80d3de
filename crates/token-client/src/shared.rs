//! What all clones of a client share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task;
use tokio::time::timeout;
use tracing::info;

use crate::PRODUCT;
use crate::clock::{millis, wall};
use crate::endpoint::Endpoint;
use crate::machine::{Fraction, Now, Record, View, Write};
use crate::store::{Store, StoreError, Written};

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) endpoint: Endpoint,
    pub(crate) store: Store,
    start: Instant,
    state: Mutex<State>,
    /// Held from a read or write of the store until it is known to the view, so that what is known never goes back.
    storing: Mutex<()>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) view: View,
    /// A renewal in flight. It is closed at its end.
    pub(crate) flight: Option<watch::Receiver<()>>,
    /// The last wait for the moment to ask again for a lost answer. It is closed at its end.
    pub(crate) repetition: Option<watch::Receiver<()>>,
    /// Monotonic time of the last look at the store.
    looked: Option<i64>,
    /// A look at the store in flight.
    looking: Option<watch::Receiver<Seen>>,
    /// Why the store could not be used at the last attempt.
    pub(crate) failure: Option<Arc<StoreError>>,
}

impl State {
    /// The wait for the moment to ask again for a lost answer, if there is one.
    pub(crate) fn repetition(&self) -> Option<&watch::Receiver<()>> {
        let repetition = self.repetition.as_ref();
        repetition.filter(|repetition| repetition.has_changed().is_ok())
    }
}

/// How long a caller waits for a look at the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// As for a token, since it has none.
    Full,
    /// It has a good token. The one that looks waits for what a file or an open keyring takes, the others not at all.
    Short,
}

/// A look at the store. Another one may begin when this is dropped, also if the runtime ends it.
struct Look {
    shared: Arc<Shared>,
    done: watch::Sender<Seen>,
}

/// Whether the store could be read, once that is known.
type Seen = Option<Result<(), Arc<StoreError>>>;

impl Look {
    fn run(self) {
        let shared = &self.shared;
        let read = {
            let _storing = shared.storing();
            let read = shared.store.load();
            read.map(|record| shared.adopt(record.filter(|record| shared.is_own(record))))
        };
        self.done.send_replace(Some(read.map_err(Arc::new)));
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        self.shared.state().looking = None;
    }
}

impl Shared {
    pub(crate) fn new(endpoint: Endpoint, store: Store) -> Self {
        Self {
            endpoint,
            store,
            start: Instant::now(),
            state: Mutex::default(),
            storing: Mutex::default(),
        }
    }

    pub(crate) fn now(&self) -> Now {
        Now {
            wall: wall(),
            mono: millis(self.start.elapsed()),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // Held for a few instructions, none of which can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the store for what other processes did, once a second at most. A keyring may be locked and not answer
    /// until somebody unlocks it: all callers wait for one look, and
    /// not for long.
    ///
    /// # Errors
    /// If it cannot be read and never was; what is known already is still good otherwise. [`StoreError::Slow`] if the
    /// caller has no token and the store does not answer.
    pub(crate) async fn look(self: &Arc<Self>, patience: Patience) -> Result<(), Arc<StoreError>> {
        let (known, mut looking, look) = {
            let mut state = self.state();
            let now = self.now().mono;
            let known = state.view.is_ready();
            let fresh = state.looked.is_some_and(|looked| now - looked < 1_000);
            match &state.looking {
                Some(looking) => (known, looking.clone(), None),
                None if known && (fresh || !self.store.is_shared()) => return Ok(()),
                None => {
                    let (done, looking) = watch::channel(None);
                    state.looked = Some(now);
                    state.looking = Some(looking.clone());
                    let shared = Arc::clone(self);
                    (known, looking, Some(Look { shared, done }))
                }
            }
        };
        let most = match patience {
            Patience::Full => PATIENCE,
            Patience::Short if look.is_some() => SHORT,
            Patience::Short => Duration::ZERO,
        };
        if let Some(look) = look {
            task::spawn_blocking(move || look.run());
        }
        let seen = timeout(most, looking.changed()).await;
        let seen = match seen {
            Ok(Ok(())) => looking.borrow().clone().unwrap_or(Ok(())),
            Ok(Err(_)) => Err(Arc::new(StoreError::Interrupted)),
            Err(_) if patience == Patience::Full => return Err(Arc::new(StoreError::Slow)),
            Err(_) => Ok(()),
        };
        if known { Ok(()) } else { seen }
    }

    /// Changes the record. The change and what is known of it are one, also if nobody waits for this any more.
    ///
    /// # Errors
    /// Those of the store, and [`StoreError::OtherServer`] if new tokens would replace those of another server.
    pub(crate) async fn write(self: &Arc<Self>, write: Write) -> Result<Written, StoreError> {
        let shared = Arc::clone(self);
        let writing = task::spawn_blocking(move || {
            let _storing = shared.storing();
            let name = shared.endpoint.name();
            let mut other = None;
            let change = |found: Option<&Record>| {
                let own = found.filter(|record| shared.is_own(record));
                if let (Some(found), None) = (found, own)
                    && found.end.is_none()
                {
                    other = Some(found.base.as_deref().map(Into::into));
                    return None;
                }
                let base = Some(name.to_owned());
                let next = write.apply(own, shared.now());
                next.map(|next| Record { base, ..next })
            };
            let Written { found, record, won } = shared.store.update(change)?;
            let is_own = |record: &Record| shared.is_own(record);
            let (found, record) = (found.filter(is_own), record.filter(is_own));
            shared.adopt(record.clone());
            match (other, &write) {
                (Some(base), Write::Set { .. }) => Err(StoreError::OtherServer { base }),
                _ => Ok(Written { found, record, won }),
            }
        });
        writing.await.unwrap_or(Err(StoreError::Interrupted))
    }

    /// Asks whether the tokens of a login could be kept: not if another server's are there.
    pub(crate) async fn check_place(self: &Arc<Self>) -> Result<(), StoreError> {
        let shared = Arc::clone(self);
        let reading = task::spawn_blocking(move || match shared.store.load()? {
            Some(record) if record.end.is_none() && !shared.is_own(&record) => {
                let base = record.base.map(Into::into);
                Err(StoreError::OtherServer { base })
            }
            _ => Ok(()),
        });
        reading.await.unwrap_or(Err(StoreError::Interrupted))
    }

    fn is_own(&self, record: &Record) -> bool {
        record.is_of(self.endpoint.name())
    }

    /// The store could not be used for a renewal.
    pub(crate) fn note_failure(&self, error: StoreError) {
        let mut state = self.state();
        state.view.hold_for_store(self.now());
        state.failure = Some(Arc::new(error));
    }

    fn adopt(&self, record: Option<Record>) {
        let mut state = self.state();
        state.failure = None;
        let live = |record: Option<&Record>| record.is_some_and(|record| record.end.is_none());
        let was = live(state.view.record());
        let is = live(record.as_ref());
        let end = record.as_ref().and_then(|record| record.end.clone());
        state.view.adopt(record, self.now(), random());
        drop(state);
        if was && !is {
            let reason = end.as_deref().unwrap_or("storage");
            info!(target: PRODUCT, reason, "the session of this client has ended");
        }
    }

    fn storing(&self) -> MutexGuard<'_, ()> {
        self.storing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a caller without a token waits for the store.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the caller that looks waits if it has a token.
const SHORT: Duration = Duration::from_millis(100);

pub(crate) fn random() -> Fraction {
    Fraction(fastrand::u32(..))
}
