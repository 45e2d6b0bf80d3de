//! The memory store passes the contract suite.

use token_session::MemoryStore;

async fn store() -> MemoryStore {
    MemoryStore::new(100_000, &[7; 32])
}

token_session::store_contract!(store);
