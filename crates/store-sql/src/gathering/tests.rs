use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use token_core::session::Nonce;
use token_core::types::TokenHash;
use token_core::{SessionId, Transport, UnixTime};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;

/// Writes when it is let, and notes what went together.
#[derive(Clone)]
struct Store(Arc<Inner>);

struct Inner {
    gathering: Gathering<&'static str>,
    lets: Semaphore,
    /// How many batches may begin.
    turns: Semaphore,
    fails: AtomicBool,
    written: Mutex<Vec<Vec<u8>>>,
}

impl Store {
    fn new(lanes: usize) -> Self {
        Self(Arc::new(Inner {
            gathering: Gathering::new(lanes),
            lets: Semaphore::new(0),
            turns: Semaphore::new(1000),
            fails: AtomicBool::new(false),
            written: Mutex::default(),
        }))
    }

    async fn write(&self, rotations: &[Rotation]) {
        self.0.lets.acquire().await.unwrap().forget();
        let numbers = rotations.iter().map(|one| one.id.as_bytes()[1]).collect();
        self.0.written.lock().unwrap().push(numbers);
    }

    /// A caller, which comes before this returns.
    fn call(&self, number: u8) -> JoinHandle<Option<Written<&'static str>>> {
        let rotation = rotation(number);
        let way = join(self, &rotation);
        let store = self.clone();
        tokio::spawn(async move {
            match way {
                Way::Alone(_lane) => {
                    store.write(&[rotation]).await;
                    Some(Ok(None))
                }
                Way::Together(answer) => answer.await.unwrap_or_default(),
            }
        })
    }

    /// Lets so many statements end, and gives all that have.
    async fn let_end(&self, statements: usize) -> Vec<Vec<u8>> {
        self.0.lets.add_permits(statements);
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        self.0.written.lock().unwrap().clone()
    }
}

impl WritesTogether for Store {
    type Error = &'static str;
    type Permit<'a> = ();
    type Row = SessionId;

    fn gathering(&self) -> &Gathering<&'static str> {
        &self.0.gathering
    }

    async fn permit(&self) -> Option<()> {
        self.0.turns.acquire().await.unwrap().forget();
        Some(())
    }

    async fn write_together(&self, (): (), rotations: &[Rotation]) -> Option<Vec<SessionId>> {
        self.write(rotations).await;
        if self.0.fails.load(Ordering::SeqCst) {
            return None;
        }
        Some(rotations.iter().map(|one| one.id).collect())
    }

    fn read(row: &SessionId) -> Option<(SessionId, Result<Session, &'static str>)> {
        let written = match row.as_bytes()[1] {
            13 => Err("this row is bad"),
            _ => Ok(session(*row)),
        };
        Some((*row, written))
    }
}

fn session(id: SessionId) -> Session {
    let (hash, now) = (TokenHash::from_bytes([1; 32]), UnixTime::EPOCH);
    let (subject, client) = ("alice".parse().unwrap(), "web".parse().unwrap());
    let key = "key".parse().unwrap();
    Session::new(id, subject, client, Transport::Header, hash, key, now)
}

fn rotation(number: u8) -> Rotation {
    let session = session(SessionId::from_bytes([number; 18]));
    let hash = TokenHash::from_bytes([2; 32]);
    Rotation::new(&session, hash, Nonce::from_bytes([3; 16]), UnixTime::EPOCH)
}

/// The number of the session that a caller was told.
async fn told(caller: JoinHandle<Option<Written<&'static str>>>) -> Option<u8> {
    let answer = timeout(Duration::from_secs(10), caller).await;
    let session = answer.unwrap().unwrap().unwrap().unwrap();
    session.map(|session| session.id.as_bytes()[1])
}

#[tokio::test]
async fn what_waits_together_goes_together_and_a_lone_write_goes_at_once() {
    let store = Store::new(1);
    let first = store.call(1);
    let others: Vec<_> = [4, 2, 3].map(|number| store.call(number)).into();
    assert_eq!(store.let_end(1).await, [vec![1]]);
    assert_eq!(told(first).await, None);
    assert_eq!(store.let_end(1).await, [vec![1], vec![2, 3, 4]]);
    for (caller, number) in others.into_iter().zip([4, 2, 3]) {
        assert_eq!(told(caller).await, Some(number), "its own session");
    }
    // The lane is free again.
    let last = store.call(5);
    assert_eq!(store.let_end(1).await.last(), Some(&vec![5]));
    assert_eq!(told(last).await, None);
}

#[tokio::test]
async fn each_free_lane_is_used_before_anybody_waits() {
    let store = Store::new(3);
    let callers: Vec<_> = (1..=5).map(|number| store.call(number)).collect();
    let mut written = store.let_end(3).await;
    written.sort();
    assert_eq!(written, [[1], [2], [3]]);
    assert_eq!(store.let_end(1).await.last(), Some(&vec![4, 5]));
    for caller in callers {
        told(caller).await;
    }
}

#[tokio::test]
async fn two_rotations_of_one_session_go_one_after_the_other() {
    let store = Store::new(1);
    let callers: Vec<_> = [1, 2, 2, 3, 2].map(|number| store.call(number)).into();
    let written = store.let_end(4).await;
    assert_eq!(written, [vec![1], vec![2, 3], vec![2], vec![2]]);
    for caller in callers {
        told(caller).await;
    }
}

#[tokio::test]
async fn who_gives_up_before_the_batch_goes_changes_nothing() {
    let store = Store::new(1);
    let (first, second, third) = (store.call(1), store.call(2), store.call(3));
    second.abort();
    assert!(second.await.unwrap_err().is_cancelled());
    assert_eq!(store.let_end(1).await, [vec![1]]);
    // The batch is under way now, and is written whatever its callers do.
    third.abort();
    assert!(third.await.unwrap_err().is_cancelled());
    assert_eq!(store.let_end(1).await, [vec![1], vec![3]]);
    assert_eq!(told(first).await, None);
}

#[tokio::test]
async fn who_gives_up_alone_lets_the_others_go() {
    let store = Store::new(1);
    let (first, second) = (store.call(1), store.call(2));
    tokio::task::yield_now().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    assert_eq!(store.let_end(1).await, [vec![2]]);
    assert_eq!(told(second).await, Some(2));
}

/// The server has vanished while the batch was under way.
#[tokio::test(start_paused = true)]
async fn a_batch_that_never_ends_gives_its_lane_back() {
    let store = Store::new(1);
    let (first, second, third) = (store.call(1), store.call(2), store.call(3));
    assert_eq!(store.let_end(1).await, [vec![1]]);
    assert_eq!(told(first).await, None);
    third.abort();
    // What became of it is not known; its caller finds out.
    let second = timeout(Duration::from_mins(1), second).await;
    assert_eq!(second.unwrap().unwrap(), None);
    let last = store.call(4);
    assert_eq!(store.let_end(1).await, [vec![1], vec![4]]);
    assert_eq!(told(last).await, None);
}

#[tokio::test]
async fn one_bad_session_spoils_no_other() {
    let store = Store::new(1);
    let (_first, bad, good) = (store.call(1), store.call(13), store.call(14));
    store.let_end(2).await;
    assert_eq!(bad.await.unwrap(), Some(Err("this row is bad")));
    assert_eq!(told(good).await, Some(14));
}

#[tokio::test]
async fn after_a_batch_that_failed_each_is_told_so_and_the_next_goes() {
    let store = Store::new(1);
    let (_first, second, third) = (store.call(1), store.call(2), store.call(3));
    store.0.fails.store(true, Ordering::SeqCst);
    store.let_end(2).await;
    for caller in [second, third] {
        assert_eq!(caller.await.unwrap(), None);
    }
    let next = store.call(4);
    assert_eq!(store.let_end(1).await.last(), Some(&vec![4]));
    assert_eq!(told(next).await, None);
}

#[tokio::test]
async fn who_gives_up_while_the_batch_waits_for_its_turn_is_not_written_late() {
    let store = Store::new(1);
    store.0.turns.forget_permits(1000);
    let (_first, second, third) = (store.call(1), store.call(2), store.call(3));
    assert_eq!(
        store.let_end(2).await,
        [vec![1]],
        "the batch has no turn yet"
    );
    second.abort();
    assert!(second.await.unwrap_err().is_cancelled());
    store.0.turns.add_permits(1);
    assert_eq!(store.let_end(0).await, [vec![1], vec![3]]);
    assert_eq!(told(third).await, Some(3));
}

#[tokio::test]
async fn a_batch_that_everybody_has_given_up_still_ends_its_transaction() {
    let store = Store::new(1);
    store.0.turns.forget_permits(1000);
    let (_first, second) = (store.call(1), store.call(2));
    store.let_end(2).await;
    second.abort();
    assert!(second.await.unwrap_err().is_cancelled());
    store.0.turns.add_permits(1);
    let nobody: [u8; 0] = [];
    assert_eq!(store.let_end(0).await, [vec![1], nobody.into()]);
}

#[test]
fn a_runtime_that_ends_leaves_the_lane_free() {
    let store = Store::new(1);
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
    };
    let ended = runtime();
    // Dropped with the runtime: the one that is on its way, and the batch that would follow it.
    let callers = ended.block_on(async { [store.call(1), store.call(2)] });
    drop(ended);
    drop(callers);
    runtime().block_on(async {
        let next = store.call(3);
        assert_eq!(store.let_end(1).await.last(), Some(&vec![3]));
        assert_eq!(told(next).await, None);
    });
}
