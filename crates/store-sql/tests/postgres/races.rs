//! Writes of other nodes at the same time.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgPool};
use store_sql::postgres::PostgresStoreOptions;
use store_sql::{PostgresStore, PostgresStoreError};
use token_core::session::{Change, Touch};
use token_core::{Session, UnixTime};
use token_session::SessionStore;
use token_session::store::{Commit, Created, DataWrite};

use crate::sessions::{at, ending, rotation, session, stored, subject, subject_ending};
use crate::{schema, somebody_waits};
use testbed::postgres::url;

/// Two nodes on one schema.
async fn nodes() -> (PostgresStore, PostgresStore, String) {
    let schema = schema();
    let options = PostgresStoreOptions::new().schema(&schema);
    let one = options.clone().connect(url()).await.unwrap();
    let two = options.connect(url()).await.unwrap();
    (one, two, schema)
}

/// The login waits for the row that the ending has raised and not committed yet.
#[tokio::test]
async fn a_login_that_waits_for_an_ending_of_all_opens_nothing() {
    let (one, two, schema) = nodes().await;
    stored(&one, "alice").await;
    let late = session(&two, "alice").await;
    let pool = PgPool::connect(url()).await.unwrap();
    let mut slow = pool.begin().await.unwrap();
    let end = "SELECT {schema}.revoke_subject('alice', 1, 'logout_all', 9, NULL, 'nobody')";
    let end = AssertSqlSafe(end.replace("{schema}", &schema));
    sqlx::query(end).execute(&mut *slow).await.unwrap();

    let login = tokio::spawn(async move { two.create(&late, None).await });
    somebody_waits(&pool, &schema).await;
    slow.commit().await.unwrap();
    let outcome = login.await.unwrap().unwrap();
    assert!(matches!(outcome, Created::EpochPassed), "{outcome:?}");
}

/// The ending waits for the login, and then sees its session.
#[tokio::test]
async fn an_ending_of_all_that_waits_for_a_login_ends_it() {
    let (one, two, schema) = nodes().await;
    let row = stored(&one, "alice").await;
    let pool = PgPool::connect(url()).await.unwrap();
    // A login as the store writes it, held before its commit: the subject's row, then a session.
    let mut login = pool.begin().await.unwrap();
    let lock = "UPDATE {schema}.subject SET epoch = epoch WHERE subject = 'alice'";
    let lock = AssertSqlSafe(lock.replace("{schema}", &schema));
    sqlx::query(lock).execute(&mut *login).await.unwrap();
    let columns = "subject, subject_epoch, client_id, transport, scope, created_at, auth_time,
        acr, amr, generation, token_hash, previous_hash, nonce, rotated_at, rotated_by,
        rotation_kid, idle_expires_at, absolute_expires_at, remember, last_seen_at, claims,
        purge_at";
    let copy = format!(
        "INSERT INTO {schema}.session (id, {columns})
        SELECT '\\x000102030405060708090a0b0c0d0e0f1011', {columns} FROM {schema}.session"
    );
    sqlx::query(AssertSqlSafe(copy))
        .execute(&mut *login)
        .await
        .unwrap();

    let ending =
        tokio::spawn(async move { two.revoke_subject(&subject_ending("alice", at(1))).await });
    somebody_waits(&pool, &schema).await;
    login.commit().await.unwrap();
    let ended = ending.await.unwrap().unwrap();
    assert_eq!(ended.len(), 2, "{ended:?}");
    assert!(ended.contains(&row.id));
    let rows = one.list(&subject("alice")).await.unwrap();
    assert!(rows.iter().all(|row| row.revocation.is_some()));
}

/// The level is looked at when the store is opened. A stricter one that somebody sets later refuses a write that
/// has met another, and never does it wrongly.
#[tokio::test]
async fn a_stricter_isolation_level_under_a_running_store_lets_no_login_escape() {
    let (one, _, schema) = nodes().await;
    let row = stored(&one, "alice").await;
    let pool = PgPool::connect(url()).await.unwrap();
    let run = async |statements: &str| {
        let statements = AssertSqlSafe(statements.replace("{schema}", &schema));
        sqlx::raw_sql(statements).execute(&pool).await.unwrap();
    };
    run("CREATE ROLE {schema}_role SUPERUSER LOGIN").await;
    let server: PgConnectOptions = url().parse().unwrap();
    let server = server.username(&format!("{schema}_role"));
    let limited = PgPoolOptions::new().max_connections(4).connect_with(server);
    let options = PostgresStoreOptions::new().schema(&schema);
    let two = options.with_pool(limited.await.unwrap()).await.unwrap();
    run(
        "ALTER ROLE {schema}_role SET default_transaction_isolation = 'repeatable read';
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{schema}_role'",
    )
    .await;

    let mut login = pool.begin().await.unwrap();
    let lock = "UPDATE {schema}.subject SET epoch = epoch WHERE subject = 'alice'";
    let lock = AssertSqlSafe(lock.replace("{schema}", &schema));
    sqlx::query(lock).execute(&mut *login).await.unwrap();
    let end = async move |two: PostgresStore| {
        let ending = subject_ending("alice", at(1));
        (two.revoke_subject(&ending).await, two)
    };
    let ending = tokio::spawn(end(two));
    somebody_waits(&pool, &schema).await;
    login.commit().await.unwrap();
    let (refused, two) = ending.await.unwrap();
    assert!(
        matches!(refused, Err(PostgresStoreError::Timeout(_))),
        "{refused:?}"
    );
    assert_eq!(end(two).await.0.unwrap(), [row.id]);
}

/// Deletes expired sessions while somebody refreshes others, and one that is due itself. What
/// waited for a lock would fail at the time-out of its statement.
#[tokio::test]
async fn a_purge_waits_for_nobody_and_nobody_for_it() {
    let (one, two, schema) = nodes().await;
    let (due, busy) = (stored(&one, "alice").await, stored(&one, "alice").await);
    let live = stored(&one, "bob").await;
    let pool = PgPool::connect(url()).await.unwrap();
    let age = "UPDATE {schema}.session SET purge_at = 1 WHERE subject = 'alice'";
    let age = AssertSqlSafe(age.replace("{schema}", &schema));
    sqlx::query(age).execute(&pool).await.unwrap();

    // Somebody's write to one of them is not committed yet.
    let mut write = pool.begin().await.unwrap();
    let lock = "UPDATE {schema}.session SET last_seen_at = last_seen_at WHERE id = $1";
    let lock = sqlx::query(AssertSqlSafe(lock.replace("{schema}", &schema)));
    let lock = lock.bind(busy.id.as_bytes().as_slice());
    lock.execute(&mut *write).await.unwrap();
    assert_eq!(one.purge(at(0), 100).await.unwrap(), 1);
    assert!(one.load(due.id).await.unwrap().is_none());
    write.rollback().await.unwrap();

    // A purge that is not committed yet.
    let mut slow = pool.begin().await.unwrap();
    let delete = "DELETE FROM {schema}.session WHERE purge_at <= 1";
    let delete = AssertSqlSafe(delete.replace("{schema}", &schema));
    let deleted = sqlx::query(delete).execute(&mut *slow).await.unwrap();
    assert_eq!(deleted.rows_affected(), 1);
    let outcome = two.commit(&rotation(&live, at(1))).await;
    assert!(matches!(outcome.unwrap(), Commit::Applied(_)));
    stored(&two, "alice").await;
    assert_eq!(two.purge(at(0), 100).await.unwrap(), 0);
    slow.commit().await.unwrap();
}

/// Every call at once, on the same few rows, from two nodes: a deadlock would be an error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_mix_of_calls_deadlocks() {
    let (one, two, _) = nodes().await;
    let mut seeds = Vec::new();
    for n in 0..4 {
        seeds.push(stored(&one, &format!("user-{}", n % 2)).await);
    }
    let run =
        |store: &PostgresStore, seed: u64| tokio::spawn(mix(store.clone(), seeds.clone(), seed));
    let tasks: Vec<_> = (0..12)
        .map(|seed| run(if seed % 2 == 0 { &one } else { &two }, seed))
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

async fn mix(store: PostgresStore, mut known: Vec<Session>, seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    for step in 0..150 {
        let user = format!("user-{}", rng.u8(..2));
        let row = known[rng.usize(..known.len())].clone();
        match rng.u8(..9) {
            0 => known.push(
                match store
                    .create(&session(&store, &user).await, None)
                    .await
                    .unwrap()
                {
                    Created::Applied(row) => Session::clone(&row),
                    Created::EpochPassed => continue,
                    Created::IdTaken => panic!("taken"),
                },
            ),
            1 => drop(
                store
                    .revoke_subject(&subject_ending(&user, at(step)))
                    .await
                    .unwrap(),
            ),
            2 => drop(store.revoke(&ending(row.id, at(step))).await.unwrap()),
            3 => {
                let before = if rng.u8(..8) == 0 { at(1 << 30) } else { at(0) };
                store.purge(before, 3).await.unwrap();
            }
            4 => {
                let write = DataWrite::new(row.id, rng.u64(..3), Some("{}".into()), at(1));
                let _ = store.write_data(&write).await.unwrap();
            }
            5 => drop(store.list(&subject(&user)).await.unwrap()),
            6 => drop(store.commit(&touch(&row, at(1))).await.unwrap()),
            _ => {
                let Some(row) = store.load(row.id).await.unwrap() else {
                    continue;
                };
                if let Commit::Applied(row) = store.commit(&rotation(&row, at(1))).await.unwrap() {
                    known.push(Session::clone(&row));
                }
            }
        }
    }
}

/// A use of a session cookie, which moves what a purge looks at.
fn touch(session: &Session, now: UnixTime) -> Change {
    let later = Duration::from_hours(24);
    let mut touch = Touch::new(session, now);
    touch.slide.idle_expires_at = session.idle_expires_at + later;
    touch.slide.purge_at = session.purge_at + later;
    Change::Touch(touch)
}
