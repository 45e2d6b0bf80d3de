//! A memory store whose notices meet a fate on their way.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use token_core::session::{Change, Committed, Ending, Epoch};
use token_core::types::Bucket;
use token_core::{Session, SessionId, Subject, UnixTime};
use token_session::clock::Clock as _;
use token_session::store::{
    Commit, Created, DataWrite, DataWritten, Ended, Heartbeat, Notice, Revoke, SessionData,
    SubjectEnding,
};
use token_session::test_util::TestClock;
use token_session::{MemoryStore, SessionStore};
use tokio::sync::broadcast;

/// What becomes of notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The connection broke, and said so.
    Broken,
    /// They are kept, and come later.
    Held,
    /// Nobody hears of them.
    Lost,
    Passed,
}

pub(crate) struct LossyStore {
    store: Arc<MemoryStore>,
    way: Arc<Mutex<Way>>,
    passed: broadcast::Sender<Notice>,
    clock: TestClock,
    seen: Mutex<Seen>,
}

struct Way {
    fate: Fate,
    held: Vec<Notice>,
}

#[derive(Default)]
struct Seen {
    calls: u64,
    hidden: bool,
    /// Since when it was read, and when.
    readings: Vec<(UnixTime, UnixTime)>,
}

impl LossyStore {
    pub(crate) fn new(store: Arc<MemoryStore>, clock: TestClock) -> Self {
        let way = Arc::new(Mutex::new(Way {
            fate: Fate::Passed,
            held: Vec::new(),
        }));
        let (passed, mut notices) = (broadcast::channel(1024).0, store.subscribe());
        let (road, end) = (Arc::clone(&way), passed.clone());
        tokio::spawn(async move {
            while let Ok(notice) = notices.recv().await {
                let mut way = road.lock().unwrap();
                match way.fate {
                    Fate::Broken | Fate::Lost => {}
                    Fate::Held => way.held.push(notice),
                    Fate::Passed => drop(end.send(notice)),
                }
            }
        });
        Self {
            store,
            way,
            passed,
            clock,
            seen: Mutex::default(),
        }
    }

    pub(crate) fn set(&self, fate: Fate) {
        let mut way = self.way.lock().unwrap();
        if way.fate == Fate::Broken {
            let _ = self.passed.send(Notice::Resumed);
        }
        if fate == Fate::Broken {
            let _ = self.passed.send(Notice::Gap);
        }
        for notice in way.held.drain(..) {
            let _ = self.passed.send(notice);
        }
        way.fate = fate;
    }

    /// Whether endings are not visible yet.
    pub(crate) fn hide(&self, hidden: bool) {
        self.seen.lock().unwrap().hidden = hidden;
    }

    pub(crate) fn calls(&self) -> u64 {
        self.seen.lock().unwrap().calls
    }

    pub(crate) fn readings(&self) -> Vec<(UnixTime, UnixTime)> {
        self.seen.lock().unwrap().readings.clone()
    }
}

macro_rules! counted {
    ($($name:ident($($arg:ident: $type:ty),*) -> $out:ty;)*) => {$(
        async fn $name(&self, $($arg: $type),*) -> Result<$out, Self::Error> {
            self.seen.lock().unwrap().calls += 1;
            SessionStore::$name(&self.store, $($arg),*).await
        }
    )*};
}

impl SessionStore for LossyStore {
    type Error = <MemoryStore as SessionStore>::Error;

    fn bucket(&self, subject: &Subject) -> Bucket {
        self.store.bucket(subject)
    }

    counted! {
        epoch(subject: &Subject) -> Epoch;
        create(session: &Session, data: Option<&str>) -> Created;
        load(id: SessionId) -> Option<Committed<Session>>;
        commit(change: &Change) -> Commit;
        revoke(ending: &Ending) -> Revoke;
        revoke_subject(ending: &SubjectEnding) -> Vec<SessionId>;
        list(subject: &Subject) -> Vec<Committed<Session>>;
        load_data(id: SessionId) -> Option<SessionData>;
        write_data(write: &DataWrite) -> DataWritten;
        purge(before: UnixTime, limit: u32) -> u64;
    }

    async fn revocations(&self, since: UnixTime) -> Result<Vec<Ended>, Self::Error> {
        let ended = self.store.revocations(since).await?;
        let mut seen = self.seen.lock().unwrap();
        seen.readings.push((since, self.clock.now()));
        Ok(if seen.hidden { Vec::new() } else { ended })
    }

    fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.passed.subscribe()
    }

    /// Through the memory store, and so the way of the endings.
    async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<bool, Self::Error> {
        self.store.heartbeat(heartbeat).await
    }

    fn catch_up_interval(&self) -> Duration {
        Duration::from_secs(30)
    }
}
