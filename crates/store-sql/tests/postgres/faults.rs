//! What fails says so, and what was missed is caught up.

use std::time::Duration;

use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgPool};
use store_sql::postgres::{Notices, PostgresStoreOptions};
use store_sql::{PostgresStore, PostgresStoreError};
use token_core::session::{Change, Touch};
use token_core::{Session, SessionId};
use token_session::SessionStore;
use token_session::store::{Commit, Heartbeat, Notice};
use tokio::sync::broadcast::Receiver;

use crate::sessions::{at, ending, rotation, stored, subject_ending};
use crate::{schema, somebody_waits};
use testbed::postgres::{Server, url};

/// How long a busy machine may take to what an idle one does in a moment.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) async fn hears(notices: &mut Receiver<Notice>, id: SessionId) {
    let heard = async {
        loop {
            match notices.recv().await.unwrap() {
                Notice::Ended(ended) if ended.id == id => return,
                _ => {}
            }
        }
    };
    let heard = tokio::time::timeout(PATIENCE, heard).await;
    heard.expect("the notice");
}

#[tokio::test]
async fn servers_that_cannot_be_used_are_told_apart() {
    let redis = testbed::redis::Server::start(&[]);
    for url in [
        format!("postgres://postgres@127.0.0.1:{}/postgres", redis.port),
        "not a url".to_owned(),
        url().replace("postgres:", "mysql:"),
        "postgres://postgres@127.0.0.1:1/postgres".to_owned(),
        url().replace("/postgres", "/no_such_database"),
        url().replace("postgres@", "no_such_user@"),
    ] {
        let error = PostgresStore::connect(&url).await.unwrap_err();
        assert!(
            matches!(error, PostgresStoreError::Connect(_)),
            "{url}: {error:?}"
        );
    }
}

/// What an old PgBouncer does in transaction mode: the name stands for another's statement.
#[tokio::test]
async fn a_pooler_that_mixes_up_statements_is_named() {
    let pool = PgPoolOptions::new().after_connect(|connection, _| {
        Box::pin(async move {
            let prepare = sqlx::raw_sql("PREPARE sqlx_s_1 AS SELECT 1");
            prepare.execute(connection).await.map(drop)
        })
    });
    let pool = pool.connect(url()).await.unwrap();
    let error = PostgresStore::new(pool).await.unwrap_err();
    assert!(matches!(error, PostgresStoreError::Pooler(_)), "{error:?}");
    assert!(error.to_string().contains("PgBouncer 1.21"), "{error}");
}

/// The role's password is wrong: said without either of them.
#[tokio::test]
async fn a_wrong_password_is_named() {
    let mut server = Server::start();
    let pool = PgPool::connect(&server.url()).await.unwrap();
    let role = "CREATE ROLE app LOGIN PASSWORD 'the-right-one';
        GRANT CREATE ON DATABASE postgres TO app";
    sqlx::raw_sql(role).execute(&pool).await.unwrap();
    server.ask_for_passwords();
    let of = |password: &str| {
        server
            .url()
            .replace("postgres@", &format!("app:{password}@"))
    };
    for wrong in [of("hush-hush"), server.url().replace("postgres@", "app@")] {
        let error = PostgresStore::connect(&wrong).await.unwrap_err();
        let PostgresStoreError::Connect(source) = &error else {
            panic!("{error:?}");
        };
        let text = format!("{error}: {source} {error:?}");
        assert!(
            text.contains("look at its address, user, password and name"),
            "{text}"
        );
        assert!(text.contains("password"), "{text}");
        assert!(
            !text.contains("hush-hush") && !text.contains("the-right-one"),
            "{text}"
        );
    }
    let store = PostgresStore::connect(&of("the-right-one")).await.unwrap();
    assert!(!format!("{store:?}").contains("the-right-one"));
}

#[tokio::test]
async fn what_one_node_ends_the_others_hear() {
    let options = PostgresStoreOptions::new().schema(schema());
    let one = options.clone().connect(url()).await.unwrap();
    let two = options.connect(url()).await.unwrap();
    let mut notices = two.subscribe();
    let row = stored(&one, "alice").await;
    let _ = one.revoke(&ending(row.id, at(1))).await.unwrap();
    hears(&mut notices, row.id).await;
    let (a, b) = (stored(&one, "alice").await, stored(&one, "alice").await);
    one.revoke_subject(&subject_ending("alice", at(2)))
        .await
        .unwrap();
    hears(&mut notices, a.id).await;
    hears(&mut notices, b.id).await;
}

#[tokio::test]
async fn a_node_that_polls_says_so() {
    let options = PostgresStoreOptions::new().schema(schema());
    let polling = options
        .clone()
        .notices(Notices::Poll)
        .connect(url())
        .await
        .unwrap();
    assert_eq!(polling.catch_up_interval(), Duration::from_secs(1));
    let listening = options.connect(url()).await.unwrap();
    assert_eq!(listening.catch_up_interval(), Duration::from_secs(30));
}

/// Across nodes, behind what was told before it, and not where nobody listens.
#[tokio::test]
async fn a_heartbeat_takes_the_way_of_the_notices() {
    let options = PostgresStoreOptions::new().schema(schema());
    let one = options.clone().connect(url()).await.unwrap();
    let two = options.clone().connect(url()).await.unwrap();
    let mut notices = two.subscribe();
    let row = stored(&one, "alice").await;
    let _ = one.revoke(&ending(row.id, at(1))).await.unwrap();
    let heartbeat = Heartbeat::from_bytes([0xAB; 16]);
    assert!(one.heartbeat(heartbeat).await.unwrap());
    hears(&mut notices, row.id).await;
    let next = tokio::time::timeout(PATIENCE, notices.recv()).await;
    assert_eq!(next.unwrap(), Ok(Notice::Heartbeat(heartbeat)));
    let polling = options.notices(Notices::Poll).connect(url()).await.unwrap();
    assert!(!polling.heartbeat(heartbeat).await.unwrap());
}

/// The connection that listens is cut, and made again.
#[tokio::test]
async fn a_gap_is_told_at_both_of_its_ends() {
    let schema = schema();
    let options = PostgresStoreOptions::new().schema(&schema);
    let node = options.connect(url()).await.unwrap();
    let mut notices = node.subscribe();
    let row = stored(&node, "alice").await;
    let pool = PgPool::connect(url()).await.unwrap();
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE $1
        AND pid <> pg_backend_pid()";
    let cut = sqlx::query(cut).bind(format!("LISTEN%{schema}%"));
    assert_eq!(cut.execute(&pool).await.unwrap().rows_affected(), 1);
    for expected in [Notice::Gap, Notice::Resumed] {
        let next = tokio::time::timeout(PATIENCE, notices.recv()).await;
        assert_eq!(next.unwrap(), Ok(expected));
    }
    // Not through the node, which would tell itself.
    let channel = format!("{schema}_ended");
    let tell = format!("SELECT {schema}.tell($1, $2, 1700000001)");
    let tell = sqlx::query(AssertSqlSafe(tell)).bind(channel);
    let tell = tell.bind(row.id.as_bytes().as_slice()).execute(&pool);
    tell.await.unwrap();
    hears(&mut notices, row.id).await;
}

#[tokio::test]
async fn a_server_that_was_killed_has_what_was_reported_and_is_found_again() {
    let mut server = Server::start();
    let store = PostgresStore::connect(&server.url()).await.unwrap();
    let mut notices = store.subscribe();
    let row = stored(&store, "alice").await;
    let ended = stored(&store, "alice").await;
    let Commit::Applied(row) = store.commit(&rotation(&row, at(1))).await.unwrap() else {
        panic!("not applied");
    };
    let _ = store.revoke(&ending(ended.id, at(2))).await.unwrap();
    hears(&mut notices, ended.id).await;
    server.kill();
    let error = store.commit(&rotation(&row, at(3))).await.unwrap_err();
    assert!(
        matches!(
            error,
            PostgresStoreError::Unavailable(_) | PostgresStoreError::Timeout(_)
        ),
        "{error:?}"
    );
    server.resume();
    let now = loop {
        match store.load(row.id).await {
            Ok(now) => break Session::clone(&now.unwrap()),
            Err(PostgresStoreError::Unavailable(_) | PostgresStoreError::Timeout(_)) => {}
            Err(error) => panic!("{error:?}"),
        }
    };
    assert_eq!(now, *row);
    let ended = store.load(ended.id).await.unwrap().unwrap();
    assert!(ended.revocation.is_some());
    let outcome = store.commit(&rotation(&row, at(3))).await.unwrap();
    assert!(matches!(outcome, Commit::Applied(_)));
    // What other nodes end is heard again.
    let resumed = async { while notices.recv().await.unwrap() != Notice::Resumed {} };
    let resumed = tokio::time::timeout(PATIENCE, resumed).await;
    resumed.expect("it listens again");
    let other = PostgresStore::connect(&server.url()).await.unwrap();
    let _ = other.revoke(&ending(row.id, at(4))).await.unwrap();
    hears(&mut notices, row.id).await;
}

/// After a restart or a failover one attempt finds it out, and not one for each connection.
#[tokio::test]
async fn one_broken_connection_is_a_warning_of_the_others() {
    let schema = schema();
    let options = PostgresStoreOptions::new().schema(&schema);
    // However slow the machine is.
    let patient = options.statement_timeout(Duration::from_mins(1));
    let patient = patient.acquire_timeout(Duration::from_mins(1));
    let store = patient.connect(url()).await.unwrap();
    let row = stored(&store, "alice").await;
    let pool = PgPool::connect(url()).await.unwrap();
    // So many at once that each has a connection of its own: uses of a session do not wait for each other to
    // go together, as refreshes do.
    let mut other = pool.begin().await.unwrap();
    let lock = AssertSqlSafe(format!("SELECT 1 FROM {schema}.session FOR UPDATE"));
    sqlx::query(lock).execute(&mut *other).await.unwrap();
    let waiting = |_| {
        let (store, change) = (store.clone(), Change::Touch(Touch::new(&row, at(1))));
        tokio::spawn(async move { store.commit(&change).await.map(drop) })
    };
    let waiting: Vec<_> = (0..6).map(waiting).collect();
    let own = "FROM pg_stat_activity WHERE query LIKE $1 AND query NOT LIKE 'LISTEN%'
        AND pid <> pg_backend_pid() AND wait_event_type = 'Lock'";
    let like = format!("%{schema}.session%");
    let count = format!("SELECT count(*) {own}");
    let mut looks = 3000;
    loop {
        let count = sqlx::query_scalar::<_, i64>(AssertSqlSafe(count.as_str())).bind(&like);
        if count.fetch_one(&pool).await.unwrap() == 6 {
            break;
        }
        looks -= 1;
        assert!(looks > 0, "not all of them wait");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let backends = format!("SELECT pid {own}");
    let backends = sqlx::query_scalar::<_, i32>(AssertSqlSafe(backends)).bind(&like);
    let backends = backends.fetch_all(&pool).await.unwrap();
    other.rollback().await.unwrap();
    for waiting in waiting {
        waiting.await.unwrap().unwrap();
    }
    let cut = sqlx::query("SELECT pg_terminate_backend(pid) FROM unnest($1) AS pid");
    cut.bind(backends).execute(&pool).await.unwrap();
    if let Err(error) = store.load(row.id).await {
        let lost = matches!(error, PostgresStoreError::Unavailable(_));
        assert!(lost, "{error:?}");
    }
    assert!(store.load(row.id).await.unwrap().is_some());
}

/// A row that another transaction holds: the statement ends at its time-out, and holds later.
#[tokio::test]
async fn a_statement_that_waits_too_long_is_reported_and_holds_afterwards() {
    let schema = schema();
    let options = PostgresStoreOptions::new().schema(&schema);
    let options = options.statement_timeout(Duration::from_secs(3));
    let store = options.connect(url()).await.unwrap();
    let row = stored(&store, "alice").await;
    let pool = PgPool::connect(url()).await.unwrap();
    let mut other = pool.begin().await.unwrap();
    let lock = AssertSqlSafe(format!("SELECT 1 FROM {schema}.session FOR UPDATE"));
    sqlx::query(lock).execute(&mut *other).await.unwrap();
    let error = store.commit(&rotation(&row, at(1))).await.unwrap_err();
    assert!(matches!(error, PostgresStoreError::Timeout(_)), "{error:?}");
    other.rollback().await.unwrap();
    let outcome = store.commit(&rotation(&row, at(1))).await.unwrap();
    assert!(matches!(outcome, Commit::Applied(_)));
}

/// The only connection is in use.
#[tokio::test]
async fn a_wait_for_a_connection_that_is_too_long_is_reported() {
    let schema = schema();
    let options = PostgresStoreOptions::new().schema(&schema).connections(1);
    // The statement that has it waits for longer.
    let options = options
        .acquire_timeout(Duration::from_secs(2))
        .statement_timeout(PATIENCE);
    let store = options.connect(url()).await.unwrap();
    let row = stored(&store, "alice").await;
    let pool = PgPool::connect(url()).await.unwrap();
    let mut other = pool.begin().await.unwrap();
    let lock = AssertSqlSafe(format!("SELECT 1 FROM {schema}.session FOR UPDATE"));
    sqlx::query(lock).execute(&mut *other).await.unwrap();
    let (waiting, change) = (store.clone(), rotation(&row, at(1)));
    let waiting = tokio::spawn(async move { waiting.commit(&change).await });
    somebody_waits(&pool, &schema).await;
    let error = store.load(row.id).await.unwrap_err();
    assert!(matches!(error, PostgresStoreError::Timeout(_)), "{error:?}");
    other.rollback().await.unwrap();
    assert!(matches!(
        waiting.await.unwrap().unwrap(),
        Commit::Applied(_)
    ));
    store.load(row.id).await.unwrap();
}
