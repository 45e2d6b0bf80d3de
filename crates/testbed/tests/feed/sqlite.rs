//! SQLite: several processes read the file each second. Two stores on one file hear as little of
//! each other as two processes do.

use std::time::Duration;

use store_sql::SqliteStore;
use token_session::WhenBehind;
use token_session::contract::FeedModel;

use crate::{BOUND, POLICIES, assert_unbroken};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_process_ends_is_read_within_a_second_or_two() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sessions.db");
    for when in POLICIES {
        let node = async || crate::node(SqliteStore::open(&file).await.unwrap(), when).await;
        let ((here, _), (there, events)) = (node().await, node().await);
        let mut model = FeedModel::new(here, there);
        model.settle().await;
        model.open(4).await;
        for _ in 0..3 {
            model.end().await;
            model.check(Some(BOUND)).await;
        }
        model.hear().await;
        if when == WhenBehind::Refuse {
            // Longer than one proof lasts.
            tokio::time::sleep(Duration::from_millis(4500)).await;
            // By its readings.
            model.settle().await;
            assert_unbroken(&events);
        }
        model.check(Some(BOUND)).await;
    }
}
