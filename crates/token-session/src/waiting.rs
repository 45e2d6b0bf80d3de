//! Who waits for the end of a session.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use token_core::SessionId;
use tokio::sync::Notify;

/// Those who wait, by session. Empty, it costs a look.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Mutex<HashMap<SessionId, Waiters>>);

#[derive(Debug)]
struct Waiters {
    bell: Arc<Notify>,
    count: usize,
}

impl Waiting {
    /// From here on a [`wake`](Self::wake) of the session is not missed.
    pub(crate) fn join(&self, session: SessionId) -> Waiter<'_> {
        let mut all = self.lock();
        let waiters = all.entry(session).or_insert_with(|| Waiters {
            bell: Arc::default(),
            count: 0,
        });
        waiters.count += 1;
        Waiter {
            waiting: self,
            session,
            bell: Arc::clone(&waiters.bell),
        }
    }

    /// Wakes those who wait for the end of this session.
    pub(crate) fn wake(&self, session: SessionId) {
        if let Some(waiters) = self.lock().get(&session) {
            waiters.bell.notify_waiters();
        }
    }

    /// For how many sessions somebody waits.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Waiters>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits; dropped, it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Waiter<'a> {
    waiting: &'a Waiting,
    session: SessionId,
    bell: Arc<Notify>,
}

impl Waiter<'_> {
    /// The bell that rings when the session ends.
    pub(crate) fn bell(&self) -> &Notify {
        &self.bell
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if let Entry::Occupied(mut waiters) = self.waiting.lock().entry(self.session) {
            waiters.get_mut().count -= 1;
            if waiters.get().count == 0 {
                waiters.remove();
            }
        }
    }
}
