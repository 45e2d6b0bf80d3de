//! A memory store that fails, and tokens that a thief of keys would make.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use token_core::{Entropy, SessionId};
use token_session::MemoryStore;
use token_session::entropy::EntropySource;
use token_session::test_util::{Injected, Trouble, TroubledStore};

/// When a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Every second one of its kind, beginning with the first, when it has worked.
    After,
    /// Each, when it has worked.
    AlwaysAfter,
    /// Each, and does nothing.
    AlwaysBefore,
    /// Every second one of its kind, beginning with the first, and does nothing.
    Before,
    /// The first of its kind when it has worked, each later one before it does anything.
    FirstAfterThenBefore,
    /// It never answers.
    Hangs,
    Never,
}

pub(crate) type FlakyStore = TroubledStore<MemoryStore, Flaky>;

pub(crate) struct Flaky {
    when: Mutex<When>,
    calls: Mutex<HashMap<&'static str, u64>>,
    pub(crate) failures: AtomicU64,
}

pub(crate) fn flaky(when: When) -> FlakyStore {
    let trouble = Flaky {
        when: Mutex::new(when),
        calls: Mutex::default(),
        failures: AtomicU64::new(0),
    };
    TroubledStore::new(MemoryStore::new(1000, &[7; 32]), trouble)
}

impl Flaky {
    /// From now on calls fail so.
    pub(crate) fn set(&self, when: When) {
        *self.when.lock().unwrap() = when;
        self.calls.lock().unwrap().clear();
    }

    fn when(&self) -> When {
        *self.when.lock().unwrap()
    }

    /// How many calls of this kind there were, with this one.
    fn count(&self, name: &'static str) -> u64 {
        let mut calls = self.calls.lock().unwrap();
        let count = calls.entry(name).or_default();
        *count += 1;
        *count
    }

    fn fail_if(&self, fails: bool) -> Result<(), Injected> {
        if fails {
            self.failures.fetch_add(1, Ordering::SeqCst);
            return Err(Injected);
        }
        Ok(())
    }
}

impl Trouble for Flaky {
    async fn before(&self, call: &'static str) -> Result<(), Injected> {
        let fails = match self.when() {
            When::After | When::AlwaysAfter | When::Never => false,
            When::AlwaysBefore => true,
            When::Before => !self.count(call).is_multiple_of(2),
            When::FirstAfterThenBefore => self.count(call) > 1,
            When::Hangs => std::future::pending().await,
        };
        self.fail_if(fails)
    }

    async fn after(&self, call: &'static str) -> Result<(), Injected> {
        let fails = match self.when() {
            When::After => !self.count(call).is_multiple_of(2),
            When::AlwaysAfter | When::FirstAfterThenBefore => true,
            When::AlwaysBefore | When::Before | When::Hangs | When::Never => false,
        };
        self.fail_if(fails)
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
