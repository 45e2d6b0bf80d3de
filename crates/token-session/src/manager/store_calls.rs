//! Calls to the store: each within its time, repeated if it failed, and knowing its own work.
//!
//! A call that failed may have done what it was asked; repeated, it finds that in its way. So each
//! write looks whether what is in its way is what it wanted to write.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use rand::RngExt as _;
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use token_core::session::rule::{Granted, Pending};
use token_core::session::{Change, Committed, Ending, RotatedBy, Rotation};
use token_core::{PRODUCT, Session, SessionId, Subject};
use tokio::time::{Instant, sleep, sleep_until};

use super::SessionManager;
use crate::erased::{Failure, StoreError, StoreFuture};
use crate::error::RefreshError;
use crate::event::EventKind;
use crate::metric::{self, Stopwatch};
use crate::session_cache::Known;
use crate::store::{Changed, Commit, Created, DataWrite, DataWritten, Revoke, SubjectEnding};
use crate::to_end::to_end;
use crate::visitor::is_reserved;

/// The pause before the first repetition; before each further one it is four times as long.
const PAUSE: Duration = Duration::from_millis(25);

/// What a call gave.
struct Answer<T> {
    value: T,
    /// Attempts before it failed; each of them may have done what it was asked.
    repeated: bool,
}

/// Why a call gave no answer, after all its attempts.
struct Failed {
    last: Failure,
    /// Whether no attempt, if the call is a write, can have done anything.
    wrote_nothing: bool,
}

impl SessionManager {
    /// Asks the store something, and again if it fails: the store contract says that every call may
    /// be repeated after an error. All attempts together have the store's time-out, and what
    /// gave no answer in time is not repeated: no time is left.
    pub(super) async fn call<'a, T>(
        &self,
        name: &'static str,
        call: impl Fn() -> StoreFuture<'a, T>,
    ) -> Result<T, StoreError> {
        match self.call_again(name, call).await {
            Ok(answer) => Ok(answer.value),
            Err(failed) => Err(failed.last.of_nothing_written()),
        }
    }

    /// The same for a write, whose answer depends on whether an attempt before has worked.
    async fn write<'a, T>(
        &self,
        name: &'static str,
        call: impl Fn() -> StoreFuture<'a, T>,
    ) -> Result<Answer<T>, StoreError> {
        let written = self.call_again(name, call).await;
        written.map_err(|failed| {
            if failed.wrote_nothing {
                failed.last.of_nothing_written()
            } else {
                failed.last.of_unknown_outcome()
            }
        })
    }

    async fn call_again<'a, T>(
        &self,
        name: &'static str,
        call: impl Fn() -> StoreFuture<'a, T>,
    ) -> Result<Answer<T>, Failed> {
        let deadline = Instant::now() + self.inner.store_timeout;
        let mut wrote_nothing = true;
        let mut pause = PAUSE;
        let mut left = self.inner.store_retries;
        loop {
            let last = match self.call_once(name, deadline, call()).await {
                Ok(value) => {
                    let repeated = left < self.inner.store_retries;
                    return Ok(Answer { value, repeated });
                }
                Err(failure) => failure,
            };
            wrote_nothing &= last.wrote_nothing();
            // Not all at once: what failed for one has failed for many.
            let jittered = pause.mul_f64(UnwrapErr(SysRng).random_range(0.5..=1.5));
            // What gave no answer in time may still be at work, and a second call beside it would only add to
            // its load. If no time is left, the store's own error says more than a time-out would.
            let no_time = Instant::now() + jittered >= deadline;
            if left == 0 || no_time || !last.is_repeatable() {
                return Err(Failed {
                    last,
                    wrote_nothing,
                });
            }
            if let Failure::Reported { error, .. } = &last {
                let error = &**error as &dyn std::error::Error;
                tracing::debug!(target: PRODUCT, error, call = name, "the store failed; calling again");
            }
            sleep(jittered).await;
            pause *= 4;
            left -= 1;
            metric::retry(name);
        }
    }

    /// Waits for one attempt, but not for ever.
    async fn call_once<T>(
        &self,
        name: &'static str,
        deadline: Instant,
        call: StoreFuture<'_, T>,
    ) -> Result<T, Failure> {
        let watch = Stopwatch::start();
        let result = self.within(deadline, call).await;
        metric::store_call(name, result.as_ref().err(), watch);
        result
    }

    /// The answer to a call, or that there was none in time. A store in this process has its answer
    /// at once and needs no timer: to make one all threads would meet in the runtime's.
    async fn within<T>(
        &self,
        deadline: Instant,
        mut call: StoreFuture<'_, T>,
    ) -> Result<T, Failure> {
        let mut timer = pin!(None);
        poll_fn(|context| {
            // The call first: an answer that is there counts, also if the deadline has just passed.
            if let Poll::Ready(result) = call.as_mut().poll(context) {
                return Poll::Ready(result);
            }
            if timer.is_none() {
                timer.set(Some(sleep_until(deadline)));
            }
            let timer = timer.as_mut().as_pin_mut().expect("it was just set");
            let late = Failure::Timeout(self.inner.store_timeout);
            timer.poll(context).map(|()| Err(late))
        })
        .await
    }
}

impl SessionManager {
    /// Inserts a session, and the private data with which it begins.
    pub(super) async fn create(
        &self,
        session: &Session,
        data: Option<&str>,
    ) -> Result<Created, StoreError> {
        let created = self.write("create", || self.inner.store.create(session, data));
        let Answer { value, repeated } = created.await?;
        if !(repeated && matches!(value, Created::IdTaken)) {
            return Ok(value);
        }
        // The hash of a random secret, or the nonce of this one adoption: nobody else has inserted a row with both.
        let found = self.load_any(session.id).await;
        let own =
            |row: &Session| (row.token_hash, row.nonce) == (session.token_hash, session.nonce);
        Ok(match found.map_err(StoreError::after_a_write)? {
            Some(row) if !own(&row) => Created::IdTaken,
            Some(row) if row.revocation == session.revocation => Created::Applied(row),
            // It was ended in between, with all others of the subject.
            _ => Created::EpochPassed,
        })
    }

    /// Writes a change to a session. What this node remembers of it is forgotten before it is answered.
    pub(super) async fn commit(&self, change: &Change) -> Result<Commit, StoreError> {
        let commit = self.write_change(change).await;
        if Changed::announces(change) {
            // Also after an error, which may have come after the write.
            self.inner.feed.sessions().forget(change.id());
        }
        commit.map(|commit| *commit)
    }

    async fn write_change(&self, change: &Change) -> Result<Box<Commit>, StoreError> {
        let committed = self.write("commit", || self.inner.store.commit(change));
        let Answer {
            mut value,
            repeated,
        } = committed.await?;
        if matches!(&*value, Commit::Missed(Some(row)) if is_reserved(&row.subject)) {
            *value = Commit::Missed(None);
        }
        if repeated {
            *value = value.or_written_before(change);
        }
        Ok(value)
    }

    /// Commits a rotation and reports it, or gives the session that another write has left.
    pub(super) async fn commit_rotation(
        &self,
        rotation: Rotation,
        pending: Pending,
    ) -> Result<Result<Granted, Option<Committed<Session>>>, RefreshError> {
        let manager = self.clone();
        to_end(async move {
            let (by, at) = (rotation.by, rotation.at);
            let lost_write = rotation.to > rotation.from.next();
            let session = match manager.commit(&Change::Rotate(rotation)).await? {
                Commit::Applied(session) => session,
                Commit::Missed(current) => return Ok(Err(current)),
            };
            // A token of a later generation than the store had was believed, as the policy says: one that was
            // forged with a stolen key is believed as well.
            if lost_write {
                manager.report(EventKind::LostWrite, &session, at);
            }
            let kind = match by {
                RotatedBy::Refresh => EventKind::Refreshed,
                RotatedBy::StepUp => EventKind::SteppedUp,
            };
            manager.report(kind, &session, at);
            Ok(Ok(pending.committed(session)?))
        })
        .await
    }

    /// Ends a session. If another node has ended it in the same second for the same reason, and the
    /// first attempt failed, both report it.
    pub(super) async fn commit_ending(&self, ending: &Ending) -> Result<Revoke, StoreError> {
        let revoked = self.write("revoke", || self.inner.store.revoke(ending));
        let Answer { value, repeated } = revoked.await?;
        Ok(match value {
            Revoke::Already(row) if repeated && row.revocation == Some(ending.revocation) => {
                Revoke::Applied(row)
            }
            value => value,
        })
    }

    /// Ends the sessions of a subject, and gives all that were ended, by a failed attempt too.
    pub(super) async fn revoke_subject(
        &self,
        ending: &SubjectEnding,
    ) -> Result<Vec<SessionId>, StoreError> {
        let name = "revoke_subject";
        let revoked = self.write(name, || self.inner.store.revoke_subject(ending));
        let Answer { value, repeated } = revoked.await?;
        if !repeated {
            return Ok(value);
        }
        let mut ended = value;
        let all = self.list(&ending.subject).await;
        for row in all.map_err(StoreError::after_a_write)? {
            if row.revocation == Some(ending.revocation) && !ended.contains(&row.id) {
                ended.push(row.id);
            }
        }
        Ok(ended)
    }

    /// Writes private data.
    pub(super) async fn write_data(&self, write: &DataWrite) -> Result<DataWritten, StoreError> {
        let written = self.write("write_data", || self.inner.store.write_data(write));
        let Answer { value, repeated } = written.await?;
        Ok(match value {
            DataWritten::Moved(data)
                if repeated
                    && data.version == write.version.saturating_add(1)
                    && data.json == write.json =>
            {
                DataWritten::Applied
            }
            value => value,
        })
    }

    /// Reads a session, ended or not. A session of nobody is none: whatever is asked, by an id or a
    /// credential, nobody is logged in with it.
    pub(super) async fn load(
        &self,
        id: SessionId,
    ) -> Result<Option<Committed<Session>>, StoreError> {
        let session = self.load_shared(id).await?;
        Ok(session.map(Arc::unwrap_or_clone))
    }

    /// The same, to be shared.
    pub(super) async fn load_shared(&self, id: SessionId) -> Result<Option<Known>, StoreError> {
        let session = self.call("load", || self.inner.store.load(id)).await?;
        Ok(session.filter(|session| !is_reserved(&session.subject)))
    }

    /// The same as [`load`](Self::load), also if it is a session of nobody.
    pub(super) async fn load_any(
        &self,
        id: SessionId,
    ) -> Result<Option<Committed<Session>>, StoreError> {
        let session = self.call("load", || self.inner.store.load(id)).await?;
        Ok(session.map(Arc::unwrap_or_clone))
    }

    /// All sessions of a subject that are stored.
    pub(super) async fn list(
        &self,
        subject: &Subject,
    ) -> Result<Vec<Committed<Session>>, StoreError> {
        self.call("list", || self.inner.store.list(subject)).await
    }
}
