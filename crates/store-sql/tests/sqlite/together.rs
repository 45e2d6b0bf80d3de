//! Refreshes that wait for each other go as one transaction, and each caller gets its own outcome.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use store_sql::SqliteStore;
use token_core::session::Change;
use token_session::SessionStore;
use token_session::store::Commit;
use tokio::task::JoinSet;

use crate::folder;
use crate::sessions::{at, rotation, stored};

const CALLERS: usize = 64;

/// A store that counts its commits, of which every one from `fails` on fails, until `works`.
struct Counted {
    store: SqliteStore,
    commits: Arc<AtomicU64>,
    fails: Arc<AtomicU64>,
    works: Arc<AtomicU64>,
}

async fn counted(file: &std::path::Path) -> Counted {
    let number = |number| Arc::new(AtomicU64::new(number));
    let (commits, fails, works) = (number(0), number(u64::MAX), number(u64::MAX));
    let all = (Arc::clone(&commits), Arc::clone(&fails), Arc::clone(&works));
    let pool = SqlitePoolOptions::new()
        .after_connect(move |connection, _| {
            let (commits, fails, works) = all.clone();
            Box::pin(async move {
                let mut handle = connection.lock_handle().await?;
                handle.set_commit_hook(move || {
                    let commit = commits.fetch_add(1, Ordering::SeqCst);
                    let fails = fails.load(Ordering::SeqCst)..works.load(Ordering::SeqCst);
                    !fails.contains(&commit)
                });
                Ok(())
            })
        })
        .connect_with(
            SqliteConnectOptions::new()
                .filename(file)
                .create_if_missing(true),
        );
    let store = SqliteStore::new(pool.await.unwrap()).await.unwrap();
    Counted {
        store,
        commits,
        fails,
        works,
    }
}

/// Rotates each session twice at once, as two tabs do: one of the two holds. Every third is kept for longer from now on,
/// which changes an index.
async fn rotate_all(store: &SqliteStore, rows: &[token_core::Session], longer: Duration) {
    let mut callers = JoinSet::new();
    for (number, row) in rows.iter().enumerate() {
        let longer = if number % 3 == 0 {
            longer
        } else {
            Duration::ZERO
        };
        for _ in 0..2 {
            let (store, row) = (store.clone(), row.clone());
            let purge_at = row.purge_at + longer;
            let mut change = rotation(&row, at(1));
            if let Change::Rotate(rotation) = &mut change {
                rotation.slide.purge_at = purge_at;
                rotation.remember_slide.purge_at = purge_at;
            }
            callers.spawn(async move {
                let outcome = store.commit(&change).await.unwrap();
                match outcome {
                    Commit::Applied(session) => {
                        assert_eq!(session.id, row.id, "its own session");
                        assert_eq!(session.generation, row.generation.next());
                        assert_eq!(session.purge_at, purge_at);
                        Some(row.id)
                    }
                    Commit::Missed(session) => {
                        assert_eq!(session.unwrap().id, row.id, "its own session");
                        None
                    }
                }
            });
        }
    }
    let outcomes = callers.join_all().await;
    for row in rows {
        let applied = outcomes.iter().filter(|id| **id == Some(row.id)).count();
        assert_eq!(applied, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refreshes_that_wait_together_are_committed_together() {
    let folder = folder();
    let counted = counted(&folder.path().join("sessions.db")).await;
    let mut rows = Vec::new();
    for _ in 0..CALLERS {
        rows.push(stored(&counted.store, "alice").await);
    }
    let before = counted.commits.load(Ordering::SeqCst);
    rotate_all(&counted.store, &rows, Duration::from_hours(24)).await;
    let commits = counted.commits.load(Ordering::SeqCst) - before;
    assert!(commits < 32, "{commits} commits for {CALLERS} refreshes");
}

/// The first commit is of one refresh, the second of those that gathered meanwhile. That one fails, and
/// each of them is tried by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_commit_that_fails_each_refresh_is_tried_alone() {
    let folder = folder();
    let counted = counted(&folder.path().join("sessions.db")).await;
    let mut rows = Vec::new();
    for _ in 0..CALLERS {
        rows.push(stored(&counted.store, "alice").await);
    }
    let before = counted.commits.load(Ordering::SeqCst);
    counted.works.store(before + 2, Ordering::SeqCst);
    counted.fails.store(before + 1, Ordering::SeqCst);
    rotate_all(&counted.store, &rows, Duration::ZERO).await;
}
