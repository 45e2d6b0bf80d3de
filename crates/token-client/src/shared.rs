//! What all clones of a client share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;
use tokio::task;
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
    /// Monotonic time of the last look at the store.
    looked: Option<i64>,
    /// Why the store could not be used at the last attempt.
    pub(crate) failure: Option<Arc<StoreError>>,
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

    /// Looks at the store for what other processes did, once a second at most.
    ///
    /// # Errors
    /// If it cannot be read and never was. What is known already is still good otherwise.
    pub(crate) async fn look(self: &Arc<Self>) -> Result<(), StoreError> {
        let known = {
            let mut state = self.state();
            let now = self.now().mono;
            let known = state.view.is_ready();
            let fresh = state.looked.is_some_and(|looked| now - looked < 1_000);
            if known && (fresh || !self.store.is_shared()) {
                return Ok(());
            }
            state.looked = Some(now);
            known
        };
        let shared = Arc::clone(self);
        let read = task::spawn_blocking(move || {
            let _storing = shared.storing();
            let record = shared.store.load()?;
            shared.adopt(record.filter(|record| shared.is_own(record)));
            Ok(())
        });
        match read.await.unwrap_or(Err(StoreError::Interrupted)) {
            Err(_) if known => Ok(()),
            done => done,
        }
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

pub(crate) fn random() -> Fraction {
    Fraction(fastrand::u32(..))
}
