//! The contract suite.

use store_sql::SqliteStore;

use crate::folder;

async fn store() -> SqliteStore {
    let file = folder().keep().join("sessions.db");
    SqliteStore::open(file).await.expect("a new file")
}

token_store::store_contract!(store);
