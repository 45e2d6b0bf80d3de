//! A memory store that fails, and tokens that a thief of keys would make.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use thiserror::Error;
use token_core::change::{Change, Committed, Ending};
use token_core::id::Bucket;
use token_core::secret::Entropy;
use token_core::session::{Epoch, SessionData};
use token_core::{Session, SessionId, Subject, UnixTime};
use token_store::entropy::EntropySource;
use token_store::store::{
    Commit, Created, DataWrite, DataWritten, Ended, Heartbeat, Notice, Revoke, SubjectEnding,
};
use token_store::{MemoryStore, SessionStore};
use tokio::sync::broadcast;

/// When a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Every second one of its kind, beginning with the first, when it has worked.
    After,
    /// At each attempt.
    Always,
    /// Every second one of its kind, beginning with the first, and does nothing.
    Before,
    /// It never answers.
    Hangs,
}

pub(crate) struct FlakyStore {
    store: MemoryStore,
    when: When,
    calls: Mutex<HashMap<&'static str, u64>>,
    pub(crate) failures: AtomicU64,
}

#[derive(Debug, Error)]
#[error("the call was made to fail")]
pub(crate) struct Injected;

impl FlakyStore {
    pub(crate) fn new(when: When) -> Self {
        Self {
            store: MemoryStore::new(1000, &[7; 32]),
            when,
            calls: Mutex::default(),
            failures: AtomicU64::new(0),
        }
    }

    fn fails(&self, name: &'static str) -> bool {
        let mut calls = self.calls.lock().unwrap();
        let count = calls.entry(name).or_default();
        *count += 1;
        let fails = self.when == When::Always || *count % 2 == 1;
        self.failures.fetch_add(u64::from(fails), Ordering::SeqCst);
        fails
    }
}

macro_rules! flaky {
    ($($name:ident($($arg:ident: $type:ty),*) -> $out:ty;)*) => {$(
        async fn $name(&self, $($arg: $type),*) -> Result<$out, Injected> {
            let fails = self.fails(stringify!($name));
            match self.when {
                When::Hangs => std::future::pending().await,
                When::Always => return Err(Injected),
                When::Before if fails => return Err(Injected),
                When::After | When::Before => {}
            }
            let answer = SessionStore::$name(&self.store, $($arg),*).await.unwrap();
            if fails { Err(Injected) } else { Ok(answer) }
        }
    )*};
}

impl SessionStore for FlakyStore {
    type Error = Injected;

    fn bucket(&self, subject: &Subject) -> Bucket {
        self.store.bucket(subject)
    }

    flaky! {
        epoch(subject: &Subject) -> Epoch;
        create(session: &Session) -> Created;
        load(id: SessionId) -> Option<Committed<Session>>;
        commit(change: &Change) -> Commit;
        revoke(ending: &Ending) -> Revoke;
        revoke_subject(ending: &SubjectEnding) -> Vec<SessionId>;
        list(subject: &Subject) -> Vec<Committed<Session>>;
        load_data(id: SessionId) -> Option<SessionData>;
        write_data(write: &DataWrite) -> DataWritten;
        purge(before: UnixTime, limit: u32) -> u64;
        revocations(since: UnixTime) -> Vec<Ended>;
        heartbeat(heartbeat: Heartbeat) -> bool;
    }

    fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.store.subscribe()
    }

    fn catch_up_interval(&self) -> Duration {
        self.store.catch_up_interval()
    }
}

/// Gives a session the id that another has, and secrets of its own.
pub(crate) struct Twin(pub(crate) SessionId, pub(crate) AtomicU64);

impl EntropySource for Twin {
    fn draw(&self) -> Entropy {
        let mut bytes = [0; 64];
        // The first byte of an id is the bucket.
        bytes[..17].copy_from_slice(&self.0.as_bytes()[1..]);
        let count = self.1.fetch_add(1, Ordering::SeqCst);
        bytes[17..25].copy_from_slice(&count.to_le_bytes());
        Entropy::new(bytes)
    }
}
