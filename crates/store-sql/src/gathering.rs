//! Writes that wait together go together.
//!
//! The first rotations go to the database at once, each as a statement of its own. Those that come while so
//! many are on their way gather, and go as one batch when one of these has ended. Nobody waits for a timer,
//! and a refresh that comes alone costs what it always did.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use token_core::session::Rotation;
use token_core::{Session, SessionId};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// The most rotations of one batch: those behind it wait for it.
pub(crate) const MOST: usize = 64;

/// How long a batch may take once it is sent. A server that vanished without a word would hold its lane for
/// ever, since nobody waits for a batch whose callers have all given up.
const LIMIT: Duration = Duration::from_secs(5);

/// What became of a rotation in a batch that was written: the session as it was written, or
/// `None` if the condition did not hold. An error is of this session alone.
pub(crate) type Written<E> = Result<Option<Session>, E>;

/// A store that can write several rotations at once. Clones are the same store.
pub(crate) trait WritesTogether: Clone + Send + Sync + 'static {
    /// What can go wrong with one session.
    type Error: Send + 'static;

    /// What a batch is written on, such as a connection.
    type Permit<'a>: Send;

    /// A session as the database gave it.
    type Row: Send + 'static;

    /// Where its rotations gather.
    fn gathering(&self) -> &Gathering<Self::Error>;

    /// Waits until a batch can be written; `None` if that takes too long. Those that are to go are chosen
    /// after it: who gave up meanwhile must not be written late.
    fn permit(&self) -> impl Future<Output = Option<Self::Permit<'_>>> + Send;

    /// Writes rotations of different sessions, or none, and gives the rows of those whose condition held. `None`
    /// if that failed: then nobody knows what became of any.
    fn write_together<'a>(
        &'a self,
        permit: Self::Permit<'a>,
        rotations: &[Rotation],
    ) -> impl Future<Output = Option<Vec<Self::Row>>> + Send;

    /// Reads a row. `None` if nobody knows whose it is.
    fn read(row: &Self::Row) -> Option<(SessionId, Result<Session, Self::Error>)>;
}

/// Rotations on their way, and those that wait for them.
#[derive(Debug)]
pub(crate) struct Gathering<E> {
    state: Mutex<State<E>>,
    /// How many statements or batches are on their way at most.
    lanes: usize,
}

#[derive(Debug)]
struct State<E> {
    on_their_way: usize,
    waiting: VecDeque<Waiting<E>>,
}

/// A rotation that waits. If its caller gave it up, the channel is closed.
#[derive(Debug)]
struct Waiting<E> {
    rotation: Rotation,
    answer: Answer<E>,
}

/// How a caller is told.
type Answer<E> = oneshot::Sender<Option<Written<E>>>;

/// How a rotation goes to the database.
pub(crate) enum Way<W: WritesTogether> {
    /// At once: the caller writes it, and holds this until it is done.
    Alone(Lane<W>),
    /// With others. If nothing comes, or `None`, nobody knows what became of it: then the caller writes it.
    Together(oneshot::Receiver<Option<Written<W::Error>>>),
}

impl<E> Gathering<E> {
    /// At most so many on their way at once.
    pub(crate) const fn new(lanes: usize) -> Self {
        Self {
            state: Mutex::new(State {
                on_their_way: 0,
                waiting: VecDeque::new(),
            }),
            lanes,
        }
    }

    /// The rotations that go next, each of another session: of two of one session only one can hold, and a
    /// statement would not say which. Those that were given up do not go.
    fn next(&self) -> Vec<Waiting<E>> {
        let mut state = self.lock();
        let mut batch: Vec<Waiting<E>> = Vec::new();
        let mut later = VecDeque::new();
        while batch.len() < MOST
            && let Some(waiting) = state.waiting.pop_front()
        {
            if waiting.answer.is_closed() {
                continue;
            }
            let id = waiting.rotation.id;
            if batch.iter().any(|other| other.rotation.id == id) {
                later.push_back(waiting);
            } else {
                batch.push(waiting);
            }
        }
        later.append(&mut state.waiting);
        state.waiting = later;
        drop(state);
        // Always in the same order, so that two batches do not wait for each other's rows.
        batch.sort_by_key(|waiting| waiting.rotation.id);
        batch
    }

    /// A lane has ended: whether those that wait take it over. If nobody waits, it is free.
    fn is_taken_over(&self) -> bool {
        let mut state = self.lock();
        state.waiting.retain(|waiting| !waiting.answer.is_closed());
        let taken_over = !state.waiting.is_empty();
        if !taken_over {
            state.on_their_way -= 1;
        }
        taken_over
    }

    /// Frees a lane that nobody can take over. Who waits for it is not answered, and then writes alone.
    fn give_up(&self) {
        let mut state = self.lock();
        state.on_their_way -= 1;
        state.waiting.clear();
    }

    /// Nothing that is done with it can panic half-way.
    fn lock(&self) -> MutexGuard<'_, State<E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Joins those that write: alone if a lane is free, and with others otherwise.
pub(crate) fn join<W: WritesTogether>(store: &W, rotation: &Rotation) -> Way<W> {
    let gathering = store.gathering();
    let mut state = gathering.lock();
    if state.on_their_way < gathering.lanes {
        state.on_their_way += 1;
        drop(state);
        return Way::Alone(Lane(store.clone()));
    }
    // Those that came first have given up first.
    while state
        .waiting
        .front()
        .is_some_and(|first| first.answer.is_closed())
    {
        state.waiting.pop_front();
    }
    let (answer, answered) = oneshot::channel();
    state.waiting.push_back(Waiting {
        rotation: rotation.clone(),
        answer,
    });
    Way::Together(answered)
}

/// A lane that is in use. When it is dropped, those that wait go.
pub(crate) struct Lane<W: WritesTogether>(W);

impl<W: WritesTogether> Drop for Lane<W> {
    fn drop(&mut self) {
        if !self.0.gathering().is_taken_over() {
            return;
        }
        let successor = Successor(Some(self.0.clone()));
        if let Ok(runtime) = Handle::try_current() {
            // A task of their own: none of those that wait may take the others along if it is given up.
            drop(runtime.spawn(go(successor)));
        }
    }
}

/// A lane that has been taken over, and is not in use yet. A runtime that shuts down drops it unused.
struct Successor<W: WritesTogether>(Option<W>);

impl<W: WritesTogether> Successor<W> {
    fn begin(mut self) -> Lane<W> {
        Lane(self.0.take().expect("it is taken here alone"))
    }
}

impl<W: WritesTogether> Drop for Successor<W> {
    fn drop(&mut self) {
        if let Some(store) = &self.0 {
            store.gathering().give_up();
        }
    }
}

/// Writes a batch, and gives the lane back, which goes on with the next one.
async fn go<W: WritesTogether>(successor: Successor<W>) {
    let lane = successor.begin();
    let permit = lane.0.permit().await;
    let batch = lane.0.gathering().next();
    let (rotations, callers): (Vec<_>, Vec<_>) = batch
        .into_iter()
        .map(|waiting| (waiting.rotation, waiting.answer))
        .unzip();
    let rows = match permit {
        // Also if all were given up meanwhile: the permit has to be given back as it should.
        Some(permit) => {
            let write = lane.0.write_together(permit, &rotations);
            // As if it had failed: then nobody knows what became of it.
            timeout(LIMIT, write).await.unwrap_or_default()
        }
        None => None,
    };
    // In a task of its own: the next batch is on its way while the callers of this one are told.
    drop(tokio::spawn(async move {
        tell::<W>(rows, &rotations, callers);
    }));
}

/// Tells each caller what became of its own rotation.
fn tell<W: WritesTogether>(
    rows: Option<Vec<W::Row>>,
    rotations: &[Rotation],
    callers: Vec<Answer<W::Error>>,
) {
    let mut written = rows.and_then(|rows| {
        let written = rows.iter().map(W::read);
        written.collect::<Option<HashMap<_, _>>>()
    });
    for (rotation, caller) in rotations.iter().zip(callers) {
        let written = written.as_mut();
        let written = written.map(|written| written.remove(&rotation.id).transpose());
        // One that was given up meanwhile is written all the same.
        let _ = caller.send(written);
    }
}

#[cfg(test)]
mod tests;
