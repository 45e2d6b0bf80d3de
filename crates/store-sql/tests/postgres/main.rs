//! What is particular to PostgreSQL, and the contract suite on it.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests fail loudly"
)]

mod contract;
mod faults;
mod races;
mod round_trips;
mod schema;

#[path = "../support/sessions.rs"]
mod sessions;

use store_sql::PostgresStore;
use store_sql::postgres::PostgresStoreOptions;

/// A schema that no other test has.
fn schema() -> String {
    format!("tokens_test_{:016x}", fastrand::u64(..))
}

/// A store in a schema of its own on the shared server.
async fn store() -> PostgresStore {
    let options = PostgresStoreOptions::new().schema(schema());
    options.connect(testbed::postgres::url()).await.unwrap()
}
