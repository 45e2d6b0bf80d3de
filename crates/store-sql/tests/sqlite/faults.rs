//! What fails says so, and nothing is reported that was not written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqlitePoolOptions};
use store_sql::sqlite::SqliteStoreOptions;
use store_sql::{SqliteStore, SqliteStoreError};
use token_core::Session;
use token_core::session::{Epoch, Generation};
use token_session::SessionStore;
use token_session::store::{Commit, Created, DataWrite, DataWritten, Revoke};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::folder;
use crate::sessions::{at, ending, rotation, session, stored, subject, subject_ending};

/// A store whose commits fail while the flag is up, after all its statements have succeeded:
/// what a disk does that fills up with the write-ahead log.
async fn failing_at_commit(file: &std::path::Path) -> (SqliteStore, Arc<AtomicBool>) {
    let failing = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&failing);
    let options = SqliteConnectOptions::new().filename(file);
    let pool = SqlitePoolOptions::new()
        .after_connect(move |connection, _| {
            let flag = Arc::clone(&flag);
            Box::pin(async move {
                let mut handle = connection.lock_handle().await?;
                handle.set_commit_hook(move || !flag.load(Ordering::SeqCst));
                Ok(())
            })
        })
        .connect_with(options.create_if_missing(true));
    let store = SqliteStore::new(pool.await.expect("a pool"));
    (store.await.expect("a store"), failing)
}

#[tokio::test]
async fn a_write_that_fails_at_the_commit_is_not_reported_as_done() {
    let folder = folder();
    let (store, failing) = failing_at_commit(&folder.path().join("sessions.db")).await;
    let row = stored(&store, "alice").await;
    let other = session(&store, "alice").await;
    let data = DataWrite::new(row.id, 0, Some("{}".into()), at(1));
    let mut notices = store.subscribe();

    failing.store(true, Ordering::SeqCst);
    assert!(store.commit(&rotation(&row, at(1))).await.is_err());
    assert!(store.create(&other, None).await.is_err());
    assert!(store.revoke(&ending(row.id, at(1))).await.is_err());
    let all = subject_ending("alice", at(1));
    assert!(store.revoke_subject(&all).await.is_err());
    assert!(store.write_data(&data).await.is_err());
    assert!(store.purge(at(1_000_000_000), 10).await.is_err());
    failing.store(false, Ordering::SeqCst);

    assert!(notices.try_recv().is_err(), "nothing was ended");
    assert_eq!(
        store.epoch(&subject("alice")).await.unwrap(),
        Epoch::default()
    );
    assert_eq!(*store.load(row.id).await.unwrap().unwrap(), row);
    assert!(store.load(other.id).await.unwrap().is_none());
    assert_eq!(store.load_data(row.id).await.unwrap().unwrap().version, 0);
    // And the same calls hold once the disk has room again.
    let outcome = store.commit(&rotation(&row, at(1))).await.unwrap();
    assert!(matches!(outcome, Commit::Applied(_)));
    assert_eq!(store.write_data(&data).await.unwrap(), DataWritten::Applied);
    assert_eq!(store.revoke_subject(&all).await.unwrap(), [row.id]);
}

#[tokio::test]
async fn a_full_database_refuses_logins_and_still_ends_sessions() {
    let folder = folder();
    let options = SqliteConnectOptions::new()
        .filename(folder.path().join("sessions.db"))
        .create_if_missing(true)
        .pragma("max_page_count", "40");
    let pool = SqlitePoolOptions::new().connect_with(options);
    let store = SqliteStore::new(pool.await.unwrap()).await.unwrap();
    let mut kept = Vec::new();
    let error = loop {
        let next = session(&store, "alice").await;
        match store.create(&next, None).await {
            Ok(Created::Applied(row)) => kept.push(Session::clone(&row)),
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, SqliteStoreError::Full(_)), "{error:?}");
    assert!(kept.len() > 10);
    assert_eq!(
        store.list(&subject("alice")).await.unwrap().len(),
        kept.len()
    );
    for row in &kept {
        assert_eq!(
            Session::clone(&store.load(row.id).await.unwrap().unwrap()),
            *row
        );
    }
    let purged = store.purge(at(1_000_000_000), 5).await.unwrap();
    assert_eq!(purged, 5);
    let ended = store.list(&subject("alice")).await.unwrap()[0].id;
    let outcome = store.revoke(&ending(ended, at(1))).await.unwrap();
    assert!(matches!(outcome, Revoke::Applied(_)));
}

#[tokio::test]
async fn a_file_that_may_only_be_read_is_read() {
    let folder = folder();
    let file = folder.path().join("sessions.db");
    let writing = SqliteStore::open(&file).await.unwrap();
    let row = stored(&writing, "alice").await;

    let url = format!("sqlite:{}?mode=ro", file.display());
    let store = SqliteStoreOptions::new().connect(&url).await.unwrap();
    assert_eq!(*store.load(row.id).await.unwrap().unwrap(), row);
    let error = store.commit(&rotation(&row, at(1))).await.unwrap_err();
    assert!(matches!(error, SqliteStoreError::ReadOnly(_)), "{error:?}");
    let error = store.revoke(&ending(row.id, at(1))).await.unwrap_err();
    assert!(matches!(error, SqliteStoreError::ReadOnly(_)), "{error:?}");
    assert_eq!(*store.load(row.id).await.unwrap().unwrap(), row);
}

#[tokio::test]
async fn files_that_cannot_be_used_are_told_apart() {
    let folder = folder();
    let missing = folder.path().join("no/such/folder/sessions.db");
    let error = SqliteStore::open(missing).await.unwrap_err();
    assert!(matches!(error, SqliteStoreError::Open(_)), "{error:?}");

    let text = folder.path().join("notes.txt");
    std::fs::write(
        &text,
        "not a database, but longer than its header\n".repeat(99),
    )
    .unwrap();
    let error = SqliteStore::open(text).await.unwrap_err();
    assert!(matches!(error, SqliteStoreError::Damaged(_)), "{error:?}");

    let error = SqliteStoreOptions::new().connect("sqlite:x?mode=no");
    let error = error.await.unwrap_err();
    assert!(matches!(error, SqliteStoreError::Open(_)), "{error:?}");
}

#[tokio::test]
async fn a_locked_database_is_reported_and_the_write_holds_afterwards() {
    let folder = folder();
    let file = folder.path().join("sessions.db");
    let options = SqliteStoreOptions::new().busy_timeout(Duration::from_millis(500));
    let store = options.open(&file).await.unwrap();
    let row = stored(&store, "alice").await;
    let options = SqliteConnectOptions::new().filename(&file);
    let mut other = SqliteConnection::connect_with(&options).await.unwrap();
    let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();

    let error = store.commit(&rotation(&row, at(1))).await.unwrap_err();
    assert!(matches!(error, SqliteStoreError::Busy(_)), "{error:?}");
    let error = store.revoke_subject(&subject_ending("alice", at(1))).await;
    assert!(matches!(error, Err(SqliteStoreError::Busy(_))), "{error:?}");
    // A write-ahead log: who reads does not wait.
    assert_eq!(*store.load(row.id).await.unwrap().unwrap(), row);

    lock.rollback().await.unwrap();
    let outcome = store.commit(&rotation(&row, at(1))).await.unwrap();
    assert!(matches!(outcome, Commit::Applied(_)));
}

#[tokio::test]
async fn a_transaction_of_the_application_delays_a_write_and_breaks_nothing() {
    let folder = folder();
    let file = folder.path().join("sessions.db");
    let store = SqliteStore::open(&file).await.unwrap();
    let row = stored(&store, "alice").await;
    let options = SqliteConnectOptions::new().filename(&file);
    let mut other = SqliteConnection::connect_with(&options).await.unwrap();
    let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let (change, writer) = (rotation(&row, at(1)), store.clone());
    let waiting = tokio::spawn(async move { writer.commit(&change).await });
    tokio::task::yield_now().await;
    lock.rollback().await.unwrap();
    let outcome = waiting.await.unwrap().unwrap();
    assert!(matches!(outcome, Commit::Applied(_)));
}

/// Polls each call a few times and drops it, as a client that hangs up does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_are_cut_off_leave_whole_rows_and_a_store_that_works() {
    let folder = folder();
    let store = SqliteStore::open(folder.path().join("sessions.db"))
        .await
        .unwrap();
    let mut row = stored(&store, "alice").await;
    for polls in (0..8).cycle().take(200) {
        let change = rotation(&row, at(1));
        cut_off(store.commit(&change), polls).await;
        let fresh = session(&store, "bob").await;
        cut_off(store.create(&fresh, None), polls).await;
        cut_off(store.revoke_subject(&subject_ending("bob", at(1))), polls).await;
        // Whatever became of it: the old row or the new one, and the next write holds.
        let now = Session::clone(&store.load(row.id).await.unwrap().unwrap());
        let next = change.apply(&row).unwrap();
        assert!(now == row || now == next);
        row = loop {
            let now = Session::clone(&store.load(row.id).await.unwrap().unwrap());
            let Commit::Applied(row) = store.commit(&rotation(&now, at(1))).await.unwrap() else {
                continue;
            };
            break Session::clone(&row);
        };
    }
    assert!(row.generation >= Generation(200));
    let all = subject_ending("bob", at(2));
    store.revoke_subject(&all).await.unwrap();
    let bobs = store.list(&subject("bob")).await.unwrap();
    assert!(bobs.iter().all(|row| row.revocation.is_some()));
}

async fn cut_off<T>(call: impl Future<Output = T>, polls: usize) {
    let mut call = std::pin::pin!(call);
    for _ in 0..polls {
        let mut context = Context::from_waker(Waker::noop());
        if call.as_mut().poll(&mut context).is_ready() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// Each write waits for its turn as long as for other processes, and no longer: an ending that is written long
/// after it was asked for would be missed by processes that have read on meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ending_that_could_not_be_written_is_not_written_later() {
    let folder = folder();
    let file = folder.path().join("sessions.db");
    let options = SqliteStoreOptions::new().busy_timeout(Duration::from_millis(200));
    let store = options.open(&file).await.unwrap();
    let mut sessions = Vec::new();
    for _ in 0..40 {
        sessions.push(stored(&store, "alice").await);
    }
    // Another process writes, and takes its time.
    let url = format!("sqlite:{}", file.display());
    let mut other = SqliteConnection::connect(&url).await.unwrap();
    let begin = sqlx::query("BEGIN IMMEDIATE").execute(&mut other);
    begin.await.unwrap();
    let mut endings = JoinSet::new();
    for session in &sessions {
        let (store, ending) = (store.clone(), ending(session.id, at(1)));
        endings.spawn(async move {
            let ended = timeout(Duration::from_secs(3), async {
                store.revoke(&ending).await
            });
            assert!(!matches!(ended.await, Ok(Ok(_))));
        });
    }
    // All give up while the other process has the lock, and their callers after them.
    endings.join_all().await;
    let end = sqlx::query("ROLLBACK").execute(&mut other);
    end.await.unwrap();
    // Its turn comes after theirs.
    let _ = stored(&store, "bob").await;
    for session in &sessions {
        let session = store.load(session.id).await.unwrap().unwrap();
        assert_eq!(session.revocation, None);
    }
}
