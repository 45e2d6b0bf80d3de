//! What a refresh costs: one round trip with a prepared statement, and no index is written.

use std::str::FromStr as _;
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row};
use store_sql::PostgresStore;
use store_sql::postgres::PostgresStoreOptions;
use testbed::postgres::{Server, url};
use testbed::proxy::Proxy;
use token_core::Policy;
use token_session::Presented;
use token_session::test_util::TestManager;

use crate::schema;

const REFRESHES: u64 = 50;

fn manager(store: PostgresStore) -> TestManager {
    TestManager::with_store(store, Policy::default(), |builder| builder)
}

async fn login(test: &TestManager) -> String {
    let issued = test.login("alice", "notes:read").await;
    issued.tokens().unwrap().refresh_token.secret().to_owned()
}

/// The happy path: the token is the current one, and the last refresh is a while ago.
async fn refresh(test: &TestManager, token: &str) -> String {
    test.clock.advance(Duration::from_secs(100));
    let issued = test.manager.refresh(token, None).await.unwrap();
    let next = issued.tokens().unwrap().refresh_token.secret().to_owned();
    assert_ne!(next, token, "a rotation");
    next
}

/// The round trips since a moment.
struct RoundTrips<'a> {
    proxy: &'a Proxy,
    before: Vec<u64>,
    start: Instant,
}

impl<'a> RoundTrips<'a> {
    fn of(proxy: &'a Proxy) -> Self {
        let before = proxy.round_trips();
        let start = Instant::now();
        Self {
            proxy,
            before,
            start,
        }
    }

    #[track_caller]
    fn assert(self, expected: u64) {
        let trips = self.proxy.round_trips();
        let trips = trips
            .iter()
            .zip(self.before)
            .map(|(now, before)| now - before);
        let trips: Vec<u64> = trips.collect();
        assert_eq!(trips.iter().max(), Some(&expected), "{trips:?}");
        // The connection that listens may have been asked for signs of life: one each 15 seconds.
        let signs = 1 + self.start.elapsed().as_secs() / 10;
        assert!(trips.iter().sum::<u64>() <= expected + signs, "{trips:?}");
    }
}

#[tokio::test]
async fn a_refresh_is_one_statement_and_one_round_trip() {
    let server = Server::start();
    let admin = PgPool::connect(&server.url()).await.unwrap();
    let ask = async |statement: &'static str| sqlx::query(statement).fetch_all(&admin).await;
    ask("CREATE EXTENSION pg_stat_statements").await.unwrap();
    let proxy = Proxy::start(server.port());
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres", proxy.port());
    let test = manager(PostgresStore::connect(&url).await.unwrap());
    // The first one prepares the statement.
    let mut token = login(&test).await;
    token = refresh(&test, &token).await;

    ask("SELECT pg_stat_statements_reset()").await.unwrap();
    let counter = RoundTrips::of(&proxy);
    for _ in 0..REFRESHES {
        token = refresh(&test, &token).await;
    }
    counter.assert(REFRESHES);
    let statements = ask("SELECT query, calls FROM pg_stat_statements
        WHERE toplevel AND query NOT LIKE '%pg_stat_%' AND query <> 'SELECT $1'")
    .await
    .unwrap();
    let statements: Vec<(String, i64)> = statements
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect();
    let [(query, calls)] = statements.as_slice() else {
        panic!("{statements:?}");
    };
    assert!(
        query
            .trim_start()
            .starts_with("UPDATE hallpass.session SET"),
        "{query}"
    );
    assert_eq!(u64::try_from(*calls), Ok(REFRESHES));

    // Once prepared, every other call is one as well. A login reads the epoch, and writes.
    for logins in [1, REFRESHES] {
        let counter = RoundTrips::of(&proxy);
        for _ in 0..logins {
            token = login(&test).await;
            let ended = test.manager.logout(Presented::Refresh(&token)).await;
            assert!(ended.unwrap());
        }
        if logins > 1 {
            counter.assert(logins * 3);
        }
    }
}

/// On the application's own pool, which shows what is prepared on its connection.
#[tokio::test]
async fn the_statement_of_a_refresh_is_prepared_once_under_a_name() {
    let schema = schema();
    let pool = PgPoolOptions::new().max_connections(1);
    let pool = pool.connect(url()).await.unwrap();
    let options = PostgresStoreOptions::new().schema(&schema);
    let test = manager(options.with_pool(pool.clone()).await.unwrap());
    let mut token = login(&test).await;
    for _ in 0..REFRESHES {
        token = refresh(&test, &token).await;
    }
    let prepared = sqlx::query(
        "SELECT name, generic_plans + custom_plans FROM pg_prepared_statements
        WHERE statement LIKE $1",
    );
    let prepared = prepared.bind(format!("%UPDATE {schema}.session SET%generation = %"));
    let prepared = prepared.fetch_all(&pool).await.unwrap();
    let [prepared] = prepared.as_slice() else {
        panic!("{} statements", prepared.len());
    };
    assert!(!prepared.get::<String, _>(0).is_empty());
    assert_eq!(u64::try_from(prepared.get::<i64, _>(1)), Ok(REFRESHES));
}

/// A day has `purge_at` written, which an index has; within it nothing else does. In a database of
/// its own, since a transaction of another test would keep the room of older versions from being
/// used again.
#[tokio::test]
async fn refreshes_are_heap_only_updates() {
    let schema = schema();
    let admin = PgPool::connect(url()).await.unwrap();
    let create = AssertSqlSafe(format!("CREATE DATABASE {schema}"));
    sqlx::query(create).execute(&admin).await.unwrap();
    let own = PgConnectOptions::from_str(url()).unwrap().database(&schema);
    let options = PostgresStoreOptions::new().schema(&schema);
    let own_url = own.to_url_lossy();
    let store = options.connect(own_url.as_str()).await.unwrap();
    let test = manager(store);
    let mut tokens = Vec::new();
    for _ in 0..50 {
        tokens.push(login(&test).await);
    }
    for _ in 0..20 {
        for token in &mut tokens {
            let issued = test.manager.refresh(token, None).await.unwrap();
            *token = issued.tokens().unwrap().refresh_token.secret().to_owned();
        }
        test.clock.advance(Duration::from_secs(100));
    }
    drop(test);
    // Counters arrive a moment after the statements, at the latest when a connection ends.
    let pool = PgPool::connect_with(own).await.unwrap();
    let counters = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables
        WHERE schemaname = $1 AND relname = 'session'";
    let (mut updates, mut hot) = (0, 0);
    for _ in 0..1200 {
        let counters = sqlx::query(counters).bind(&schema);
        let row = counters.fetch_one(&pool).await.unwrap();
        (updates, hot) = (row.get::<i64, _>(0), row.get::<i64, _>(1));
        if updates >= 1000 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(updates, 1000);
    assert!(hot * 100 >= updates * 95, "{hot} of {updates}");
    let indexed = format!(
        "SELECT count(*) FROM pg_index AS i JOIN pg_attribute AS a
            ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
        WHERE i.indrelid = '{schema}.session'::regclass
            AND a.attname IN ('generation', 'token_hash', 'previous_hash', 'nonce', 'rotated_at',
                'rotated_by', 'rotation_kid', 'idle_expires_at', 'last_seen_at')"
    );
    let indexed = sqlx::query_scalar::<_, i64>(AssertSqlSafe(indexed));
    assert_eq!(indexed.fetch_one(&pool).await.unwrap(), 0);
}
