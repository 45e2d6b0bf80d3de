//! One renewal, from the lock to the stored answer.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, warn};

use crate::PRODUCT;
use crate::machine::{Flight, Record, RefreshToken, Write};
use crate::shared::{Shared, State, random};
use crate::store::{RenewalLock, StoreError, Written};

/// Notes that a renewal is in flight, unless one is. The caller starts what is returned, once it has let go of
/// the state: a runtime that shuts down drops the task where it is spawned.
pub(crate) fn prepare(shared: &Arc<Shared>, state: &mut State) -> Option<Landing> {
    if state.flight.is_some() {
        return None;
    }
    let (done, flight) = watch::channel(());
    state.flight = Some(flight);
    Some(Landing {
        shared: Arc::clone(shared),
        done: Some(done),
    })
}

/// Another renewal may start when this is dropped, also if the runtime ends the task.
pub(crate) struct Landing {
    shared: Arc<Shared>,
    /// Until it has landed.
    done: Option<watch::Sender<()>>,
}

impl Landing {
    /// Renews in a task of its own: a caller that goes away must not cut it off between the server's answer and
    /// the store.
    pub(crate) fn start(mut self) {
        tokio::spawn(async move {
            if let Err(error) = run(&self.shared).await {
                warn_of(&error, "the tokens cannot be kept, so they are not renewed");
                self.shared.note_failure(error);
            }
            if let Some(repetition) = self.land() {
                repetition.start();
            }
        });
    }

    /// Ends the flight and notes the repetition that it needs in one step, so that `settled` finds one of
    /// both at any time.
    fn land(&mut self) -> Option<Repetition> {
        let repetition = {
            let mut state = self.shared.state();
            state.flight = None;
            Repetition::prepare(&self.shared, &mut state)
        };
        self.done = None;
        repetition
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        if self.done.is_some() {
            self.shared.state().flight = None;
        }
    }
}

/// Asks again for a lost answer although no caller does: the server recognises the old token within its grace alone.
/// It ends with the client.
struct Repetition {
    shared: Weak<Shared>,
    /// Until the attempt begins, whose own end schedules the next repetition.
    waiting: Option<watch::Sender<()>>,
}

impl Repetition {
    /// Notes that a repetition is pending, if an answer is lost and none is pending yet.
    fn prepare(shared: &Arc<Shared>, state: &mut State) -> Option<Self> {
        let now = shared.now();
        if state.repetition().is_some() || state.view.repetition_due(now).is_none() {
            return None;
        }
        let (waiting, repetition) = watch::channel(());
        state.repetition = Some(repetition);
        Some(Self {
            shared: Arc::downgrade(shared),
            waiting: Some(waiting),
        })
    }

    fn start(mut self) {
        tokio::spawn(async move {
            while let Some(pause) = self.step() {
                sleep(pause).await;
            }
        });
    }

    /// How long to wait yet. Begins the attempt if it is due; `None` then, and if it is not wanted any more.
    fn step(&mut self) -> Option<Duration> {
        let shared = self.shared.upgrade()?;
        let now = shared.now();
        let mut state = shared.state();
        let due = state.view.repetition_due(now);
        if let Some(due @ 1..) = due {
            return Some(Duration::from_millis(due.unsigned_abs()));
        }
        // While the state is locked, so that a renewal that ends now does schedule the next one.
        self.waiting = None;
        let landing = due.and_then(|_| prepare(&shared, &mut state));
        drop(state);
        if let Some(landing) = landing {
            landing.start();
        }
        None
    }
}

/// # Errors
/// If the store fails before anything was sent.
async fn run(shared: &Arc<Shared>) -> Result<(), StoreError> {
    // The generation from before the wait: if other tokens are adopted meanwhile, the claim must fail.
    let (generation, online) = {
        let view = &shared.state().view;
        let Some(record) = view.record() else {
            return Ok(());
        };
        (record.generation, view.is_online_again())
    };
    let lock = lock(shared).await?;
    let claim = Write::Claim {
        generation,
        locked: lock.is_some(),
        online,
    };
    let claimed = shared.write(claim).await?;
    let (Some(record), true) = (claimed.record, claimed.won) else {
        let mut state = shared.state();
        state.view.yield_to_claim(shared.now());
        return Ok(());
    };
    let sent = record.sent_at_wall;
    let flight = Flight { record, sent };
    let Some(token) = &flight.record.refresh else {
        return Ok(());
    };
    let key = flight.record.key.as_ref();
    let answer = shared.endpoint.refresh(token, key).await;
    let write = answer.sort(&flight, shared.now(), random());
    if matches!(write, Write::End { .. }) {
        // A process that went on without the lock may have won, and be about to store that.
        sleep(Duration::from_millis(50)).await;
    }
    let written = store(shared, write.clone()).await?;
    note(shared, &write, &written);
    // Other processes may renew before this one is done with what nobody will use.
    drop(lock);
    if let (Write::Commit { tokens, .. }, false) = (&write, written.won)
        && is_of_another(written.record.as_ref(), tokens.session.as_deref())
    {
        let refresh = tokens.refresh.as_ref().map(RefreshToken::secret);
        let token = refresh.unwrap_or(tokens.access.secret());
        shared.endpoint.revoke(token).await;
    }
    Ok(())
}

/// Waits for the lock, at most 8 s. Without it the claim's mark in the record takes its place, and the server's
/// grace covers the rest: a process that was stopped must not stop the others.
async fn lock(shared: &Shared) -> Result<Option<RenewalLock>, StoreError> {
    let end = Instant::now() + Duration::from_secs(8);
    loop {
        if let Some(lock) = shared.store.try_lock()? {
            return Ok(Some(lock));
        }
        if Instant::now() >= end {
            return Ok(None);
        }
        let pause = Duration::from_millis(fastrand::u64(5..25));
        sleep_until(end.min(Instant::now() + pause)).await;
    }
}

/// Stores what came. The old refresh token is spent, so the new one must get into the store: again, until it does.
async fn store(shared: &Arc<Shared>, write: Write) -> Result<Written, StoreError> {
    loop {
        match shared.write(write.clone()).await {
            Err(error) if !matches!(error, StoreError::Interrupted) => {
                warn_of(&error, "the renewed tokens cannot be kept yet");
                shared.state().failure = Some(Arc::new(error));
                sleep(Duration::from_secs(1)).await;
            }
            done => return done,
        }
    }
}

fn warn_of(error: &StoreError, what: &str) {
    let error = error as &dyn std::error::Error;
    warn!(target: PRODUCT, error, "{what}");
}

fn note(shared: &Shared, write: &Write, written: &Written) {
    match write {
        Write::Commit { .. } => {
            debug!(target: PRODUCT, won = written.won, "the tokens were renewed");
        }
        Write::Fail { retry, .. } if written.won => {
            shared.state().view.note_failure();
            let (status, fails) = (retry.status, retry.fails);
            let error = retry.error.as_deref();
            warn!(target: PRODUCT, status, error, fails, wait_ms = retry.wait_ms, "the tokens could not be renewed");
        }
        _ => {}
    }
}

/// Whether tokens that came too late belong to a session that nobody uses. Within one session two processes may
/// hold the same token, and to revoke that would end it.
pub(crate) fn is_of_another(record: Option<&Record>, session: Option<&str>) -> bool {
    record.is_some_and(|record| record.end.is_some() || record.session.as_deref() != session)
}
