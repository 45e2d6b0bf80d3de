//! Those who wait for the end of a session.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use token_core::SessionId;
use tokio::sync::Notify;

/// All who wait, by session. If nobody does, waking costs a look into an empty map.
#[derive(Debug, Default)]
pub(crate) struct Waiters(Mutex<HashMap<SessionId, Shared>>);

/// What all who wait for one session share.
#[derive(Debug)]
struct Shared {
    end: Arc<Notify>,
    count: usize,
}

impl Waiters {
    /// From here on a [`wake`](Self::wake) of the session is not missed.
    pub(crate) fn join(&self, session: SessionId) -> Waiter<'_> {
        let mut all = self.lock();
        let shared = all.entry(session).or_insert_with(|| Shared {
            end: Arc::default(),
            count: 0,
        });
        shared.count += 1;
        Waiter {
            waiters: self,
            session,
            end: Arc::clone(&shared.end),
        }
    }

    /// Wakes those who wait for the end of this session.
    pub(crate) fn wake(&self, session: SessionId) {
        if let Some(shared) = self.lock().get(&session) {
            shared.end.notify_waiters();
        }
    }

    /// For how many sessions somebody waits.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Nothing that is done with it can panic half-way.
    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Shared>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits; dropped, it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Waiter<'a> {
    waiters: &'a Waiters,
    session: SessionId,
    end: Arc<Notify>,
}

impl Waiter<'_> {
    /// Notified when the session ends.
    pub(crate) fn end(&self) -> &Notify {
        &self.end
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if let Entry::Occupied(mut shared) = self.waiters.lock().entry(self.session) {
            shared.get_mut().count -= 1;
            if shared.get().count == 0 {
                shared.remove();
            }
        }
    }
}
