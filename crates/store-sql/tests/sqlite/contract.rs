//! The contract suite.

use std::time::Duration;

use store_sql::SqliteStore;
use store_sql::sqlite::SqliteStoreOptions;

use crate::folder;
use crate::sessions::purge_in_batches;

async fn store() -> SqliteStore {
    let file = folder().keep().join("sessions.db");
    // As long as a busy machine may need.
    let options = SqliteStoreOptions::new().busy_timeout(Duration::from_secs(30));
    options.open(file).await.expect("a new file")
}

token_session::store_contract!(store);

#[tokio::test]
async fn a_purge_takes_as_many_batches_as_it_needs() {
    purge_in_batches(&store().await, 10).await;
}
