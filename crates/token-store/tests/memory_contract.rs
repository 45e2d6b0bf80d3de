//! The memory store passes the contract suite.

use token_store::MemoryStore;

async fn store() -> MemoryStore {
    MemoryStore::new(100_000, &[7; 32])
}

token_store::store_contract!(store);
