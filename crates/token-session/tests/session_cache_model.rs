//! The cache of sessions under every order in which threads can meet in it, with loom.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use loom::sync::Arc;
use loom::sync::atomic::AtomicU64;
use loom::sync::atomic::Ordering::SeqCst;
use loom::thread;
use token_core::{SessionId, UnixTime};

mod sync {
    pub(super) use loom::sync::atomic::{AtomicBool, Ordering};
    pub(super) use loom::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
    pub(super) use std::sync::PoisonError;
}

#[path = "../src/bounded.rs"]
mod bounded;

#[path = "../src/session_cache/shard.rs"]
mod shard;

use shard::{Entry, Shard};

const HASH: u64 = 1;

fn at(seconds: u64) -> UnixTime {
    UnixTime::from_secs(seconds).unwrap()
}

fn id(number: u8) -> SessionId {
    SessionId::from_bytes([number; 18])
}

/// A store with one session, and a node that remembers what it reads there.
struct Node {
    /// The version of the session in the store.
    store: AtomicU64,
    shard: Shard<u64>,
}

impl Node {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            store: AtomicU64::new(1),
            shard: Shard::new(10),
        })
    }

    fn load(&self) {
        let heard = self.shard.heard();
        let value = self.store.load(SeqCst);
        let entry = Entry {
            id: id(1),
            value,
            from: at(10),
            until: at(20),
        };
        self.shard.insert(heard, HASH, entry);
    }

    fn known(&self) -> Option<u64> {
        self.shard.get(HASH, id(1), at(15))
    }
}

#[test]
fn what_was_read_before_a_change_is_not_known_after_it_was_heard() {
    loom::model(|| {
        let node = Node::new();
        node.load();
        let loads = {
            let node = Arc::clone(&node);
            thread::spawn(move || node.load())
        };
        // Changed in the store, and then heard of.
        node.store.store(2, SeqCst);
        node.shard.forget(HASH, id(1), |known| *known > 2);
        let known = node.known();
        assert!(known != Some(1), "{known:?}");
        loads.join().unwrap();
        let known = node.known();
        assert!(
            known != Some(1),
            "a load that began before it filled it: {known:?}"
        );
    });
}

#[test]
fn what_was_read_before_a_gap_is_not_known_after_it() {
    loom::model(|| {
        let node = Node::new();
        let loads = {
            let node = Arc::clone(&node);
            thread::spawn(move || node.load())
        };
        node.store.store(2, SeqCst);
        node.shard.clear();
        loads.join().unwrap();
        let known = node.known();
        assert!(known.is_none() || known == Some(2), "{known:?}");
    });
}

#[test]
fn a_session_is_known_by_its_whole_id_and_within_its_time() {
    loom::model(|| {
        let node = Node::new();
        node.load();
        assert_eq!(node.shard.len(), 1);
        for (id, time) in [(id(2), 15), (id(1), 9), (id(1), 20)] {
            assert_eq!(node.shard.get(HASH, id, at(time)), None);
        }
        assert_eq!(node.known(), Some(1));
    });
}

#[test]
fn a_late_notice_leaves_what_is_newer() {
    loom::model(|| {
        let node = Node::new();
        node.store.store(3, SeqCst);
        node.load();
        node.shard.forget(HASH, id(1), |known| *known > 2);
        assert_eq!(node.known(), Some(3));
        node.shard.forget(HASH, id(1), |known| *known > 3);
        assert_eq!(node.known(), None);
    });
}
