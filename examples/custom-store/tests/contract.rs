//! The store keeps the contract: the whole test of a store of your own.

#![allow(clippy::unwrap_used, reason = "a test")]

use custom_store::RedbStore;

/// A file of its own for each test; it stays open, and is gone with the process.
async fn store() -> RedbStore {
    RedbStore::open(tempfile::NamedTempFile::new().unwrap().path()).unwrap()
}

hallpass::store_contract!(store);
