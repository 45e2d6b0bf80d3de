//! Those who wait for the end of a session.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use token_core::{SessionId, UnixTime};
use tokio::sync::Notify;

/// All who wait, by session. If nobody does, waking costs a look into an empty map.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    all: Mutex<HashMap<SessionId, Shared>>,
    /// For how many sessions somebody waits, for those who need not know it exactly.
    sessions: AtomicUsize,
}

/// What all who wait for one session share.
#[derive(Debug)]
struct Shared {
    end: Arc<Notify>,
    count: usize,
    /// Until when the session's browser has last been seen to have its key.
    proven_until: UnixTime,
}

impl Waiters {
    /// From here on a [`wake`](Self::wake) of the session is not missed.
    pub(crate) fn join(&self, session: SessionId) -> Waiter<'_> {
        let mut all = self.lock();
        let shared = all.entry(session).or_insert_with(|| Shared {
            end: Arc::default(),
            count: 0,
            proven_until: UnixTime::EPOCH,
        });
        shared.count += 1;
        let end = Arc::clone(&shared.end);
        self.sessions.store(all.len(), Ordering::Relaxed);
        Waiter {
            waiters: self,
            session,
            end,
        }
    }

    /// Notes that the session's browser has a bound cookie that is good until then. A session that nobody waits
    /// for costs one load.
    pub(crate) fn prove(&self, session: SessionId, until: UnixTime) {
        if self.sessions.load(Ordering::Relaxed) == 0 {
            return;
        }
        if let Some(shared) = self.lock().get_mut(&session) {
            shared.proven_until = shared.proven_until.max(until);
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
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Until when the session's browser is known to have its key, by what this node has seen since somebody
    /// began to wait.
    pub(crate) fn proven_until(&self) -> UnixTime {
        let all = self.waiters.lock();
        all.get(&self.session)
            .map_or(UnixTime::EPOCH, |shared| shared.proven_until)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut all = self.waiters.lock();
        if let Entry::Occupied(mut shared) = all.entry(self.session) {
            shared.get_mut().count -= 1;
            if shared.get().count == 0 {
                shared.remove();
            }
        }
        self.waiters.sessions.store(all.len(), Ordering::Relaxed);
    }
}
