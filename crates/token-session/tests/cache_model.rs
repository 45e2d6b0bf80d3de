//! The cache of verified tokens under every order in which threads can meet in it, with loom.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use loom::sync::Arc;
use loom::thread;
use token_core::UnixTime;

mod sync {
    pub(super) use loom::sync::RwLock;
    pub(super) use loom::sync::atomic::{AtomicBool, Ordering};
    pub(super) use std::sync::PoisonError;
}

#[allow(dead_code, reason = "the cache of sessions uses the rest")]
#[path = "../src/bounded.rs"]
mod bounded;

#[path = "../src/cache/shard.rs"]
mod shard;

use shard::{Entry, Shard};

fn at(seconds: u64) -> UnixTime {
    UnixTime::from_secs(seconds).unwrap()
}

fn insert(shard: &Shard<&'static str>, hash: u64, token: &'static str) {
    let entry = Entry {
        token: zeroize::Zeroizing::new(token.as_bytes().into()),
        value: token,
        from: at(10),
        until: at(20),
        cost: 100,
    };
    shard.insert(hash, entry);
}

fn get(shard: &Shard<&'static str>, hash: u64, token: &'static str) -> Option<&'static str> {
    shard.get(hash, token.as_bytes(), at(15))
}

#[test]
fn a_token_is_answered_with_its_own_claims_or_not_at_all() {
    loom::model(|| {
        // Room for one: both writers push each other out.
        let shard = Arc::new(Shard::new(150));
        let writers = [(1, "one"), (2, "two")].map(|(hash, token)| {
            let shard = Arc::clone(&shard);
            thread::spawn(move || insert(&shard, hash, token))
        });
        for (hash, token) in [(1, "one"), (2, "two")] {
            let known = get(&shard, hash, token);
            assert!(known.is_none() || known == Some(token), "{known:?}");
        }
        for writer in writers {
            writer.join().unwrap();
        }
        assert_eq!(shard.size(), (100, 1), "one is kept, and counted once");
    });
}

#[test]
fn two_tokens_with_one_hash_never_answer_for_each_other() {
    loom::model(|| {
        let shard = Arc::new(Shard::new(1000));
        let writer = {
            let shard = Arc::clone(&shard);
            thread::spawn(move || insert(&shard, 1, "one"))
        };
        insert(&shard, 1, "eno");
        for token in ["one", "eno"] {
            let known = get(&shard, 1, token);
            assert!(known.is_none() || known == Some(token), "{known:?}");
        }
        writer.join().unwrap();
        assert_eq!(shard.size(), (100, 1));
    });
}

#[test]
fn a_token_that_is_read_during_an_eviction_stays_or_goes_and_the_bytes_stay_counted() {
    loom::model(|| {
        let shard = Arc::new(Shard::new(250));
        insert(&shard, 1, "one");
        insert(&shard, 2, "two");
        let reader = {
            let shard = Arc::clone(&shard);
            thread::spawn(move || get(&shard, 1, "one"))
        };
        insert(&shard, 3, "three");
        let seen = reader.join().unwrap();
        assert!(seen.is_none() || seen == Some("one"));
        assert_eq!(shard.size(), (200, 2));
        assert_eq!(get(&shard, 3, "three"), Some("three"), "the newest stays");
    });
}
