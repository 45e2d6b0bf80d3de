//! What is particular to PostgreSQL, and the contract suite on it.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests fail loudly"
)]

mod contract;
mod faults;
mod poolers;
mod races;
mod round_trips;
mod schema;
mod together;

#[path = "../support/sessions.rs"]
mod sessions;

use std::time::{Duration, Instant};

use sqlx::PgPool;
use store_sql::PostgresStore;
use store_sql::postgres::PostgresStoreOptions;

/// A schema that no other test has.
fn schema() -> String {
    format!("hallpass_test_{:016x}", fastrand::u64(..))
}

/// Waits until some statement on the schema waits for a lock.
async fn somebody_waits(pool: &PgPool, schema: &str) {
    let waiting = "SELECT 1 FROM pg_stat_activity
        WHERE wait_event_type = 'Lock' AND position($1 in query) > 0";
    let start = Instant::now();
    loop {
        let rows = sqlx::query(waiting).bind(schema).fetch_all(pool).await;
        if !rows.unwrap().is_empty() {
            return;
        }
        assert!(start.elapsed() < Duration::from_mins(1), "nobody waits");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A store in a schema of its own on the shared server, which waits for as long as a busy machine
/// may need.
async fn store() -> PostgresStore {
    let patience = Duration::from_secs(30);
    let options = PostgresStoreOptions::new()
        .schema(schema())
        .acquire_timeout(patience)
        .statement_timeout(patience);
    options.connect(testbed::postgres::url()).await.unwrap()
}
