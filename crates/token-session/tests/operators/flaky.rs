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
    /// At each attempt.
    Always,
    /// Every second one of its kind, beginning with the first, and does nothing.
    Before,
    /// It never answers.
    Hangs,
}

pub(crate) type FlakyStore = TroubledStore<MemoryStore, Flaky>;

pub(crate) struct Flaky {
    when: When,
    calls: Mutex<HashMap<&'static str, u64>>,
    pub(crate) failures: AtomicU64,
}

pub(crate) fn flaky(when: When) -> FlakyStore {
    let trouble = Flaky {
        when,
        calls: Mutex::default(),
        failures: AtomicU64::new(0),
    };
    TroubledStore::new(MemoryStore::new(1000, &[7; 32]), trouble)
}

impl Flaky {
    /// Every second one of its kind, beginning with the first, or each.
    fn fails(&self, name: &'static str) -> Result<(), Injected> {
        let mut calls = self.calls.lock().unwrap();
        let count = calls.entry(name).or_default();
        *count += 1;
        if self.when != When::Always && count.is_multiple_of(2) {
            return Ok(());
        }
        self.failures.fetch_add(1, Ordering::SeqCst);
        Err(Injected)
    }
}

impl Trouble for Flaky {
    async fn before(&self, call: &'static str) -> Result<(), Injected> {
        match self.when {
            When::After => Ok(()),
            When::Always | When::Before => self.fails(call),
            When::Hangs => std::future::pending().await,
        }
    }

    async fn after(&self, call: &'static str) -> Result<(), Injected> {
        match self.when {
            When::After => self.fails(call),
            When::Always | When::Before | When::Hangs => Ok(()),
        }
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
