//! Refreshes that wait for each other go as one statement, and each caller gets its own outcome.

use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgPool};
use store_sql::PostgresStore;
use store_sql::postgres::PostgresStoreOptions;
use testbed::postgres::url;
use token_core::Session;
use token_session::SessionStore;
use token_session::store::Commit;
use tokio::task::JoinSet;

use crate::schema;
use crate::sessions::{at, rotation, stored};

const CALLERS: usize = 64;

async fn store() -> (PostgresStore, PgPool, String) {
    let schema = schema();
    let options = PostgresStoreOptions::new().schema(&schema);
    let store = options.connect(url()).await.unwrap();
    (store, PgPool::connect(url()).await.unwrap(), schema)
}

async fn sessions(store: &PostgresStore) -> Vec<Session> {
    let mut rows = Vec::new();
    for _ in 0..CALLERS {
        rows.push(stored(store, "alice").await);
    }
    rows
}

/// Rotates each session twice at once, as two tabs do, and gives what became of the calls.
async fn rotate_all(store: &PostgresStore, rows: &[Session]) -> Vec<(usize, Option<bool>)> {
    let mut callers = JoinSet::new();
    for (place, row) in rows.iter().enumerate() {
        for _ in 0..2 {
            let (store, row) = (store.clone(), row.clone());
            callers.spawn(async move {
                let applied = match store.commit(&rotation(&row, at(1))).await {
                    Ok(Commit::Applied(session)) => {
                        assert_eq!(session.id, row.id, "its own session");
                        assert_eq!(session.generation, row.generation.next());
                        Some(true)
                    }
                    Ok(Commit::Missed(session)) => {
                        assert_eq!(session.unwrap().id, row.id, "its own session");
                        Some(false)
                    }
                    Err(_) => None,
                };
                (place, applied)
            });
        }
    }
    callers.join_all().await
}

fn applied(outcomes: &[(usize, Option<bool>)], place: usize) -> usize {
    let own = outcomes.iter().filter(|(other, _)| *other == place);
    own.filter(|(_, applied)| *applied == Some(true)).count()
}

/// A trigger counts statements, however many rows each has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refreshes_that_wait_together_are_one_statement() {
    let (store, admin, schema) = store().await;
    let rows = sessions(&store).await;
    let count = format!(
        "CREATE SEQUENCE {schema}.statements;
        CREATE FUNCTION {schema}.count() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM nextval('{schema}.statements'); RETURN NULL; END $$;
        CREATE TRIGGER counted AFTER UPDATE ON {schema}.session
            FOR EACH STATEMENT EXECUTE FUNCTION {schema}.count()"
    );
    sqlx::raw_sql(AssertSqlSafe(count))
        .execute(&admin)
        .await
        .unwrap();
    let outcomes = rotate_all(&store, &rows).await;
    for place in 0..CALLERS {
        assert_eq!(applied(&outcomes, place), 1);
    }
    let statements = AssertSqlSafe(format!("SELECT last_value FROM {schema}.statements"));
    let statements: i64 = sqlx::query_scalar(statements)
        .fetch_one(&admin)
        .await
        .unwrap();
    // 128 refreshes, of two of which one holds.
    assert!(statements < 64, "{statements} statements");
}

/// The server refuses one session of a batch, which then fails as a whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_cannot_be_written_spoils_no_other() {
    let (store, admin, schema) = store().await;
    let rows = sessions(&store).await;
    let bad = rows.len() - 1;
    let id = rows[bad].id;
    let check = format!(
        "ALTER TABLE {schema}.session ADD CHECK (
            generation = 0 OR translate(encode(id, 'base64'), '+/', '-_') <> '{id}')"
    );
    sqlx::raw_sql(AssertSqlSafe(check))
        .execute(&admin)
        .await
        .unwrap();
    let outcomes = rotate_all(&store, &rows).await;
    for place in 0..CALLERS {
        assert_eq!(applied(&outcomes, place), usize::from(place != bad));
    }
    assert!(outcomes.contains(&(bad, None)), "its caller is told");
}

/// The server plans a statement anew each time as long as it thinks that the few rows of a batch are worth it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_batch_is_not_planned_anew() {
    let pool = PgPoolOptions::new().max_connections(1);
    let pool = pool.connect(url()).await.unwrap();
    let schema = schema();
    let store = PostgresStoreOptions::new().schema(&schema);
    let store = store.with_pool(pool.clone()).await.unwrap();
    let sessions = sessions(&store).await;
    // In a table of a few pages each row costs next to nothing, and four as much as ten.
    let others = format!(
        "INSERT INTO {schema}.session OVERRIDING SYSTEM VALUE
        SELECT (jsonb_populate_record(row,
            jsonb_build_object('id', '\\x' || lpad(to_hex(number), 36, '0')))).*
        FROM (SELECT * FROM generate_series(1, 3000) AS number) AS numbers
        JOIN {schema}.session AS row ON row.id = (SELECT min(id::text)::bytea FROM {schema}.session);
        ANALYZE {schema}.session"
    );
    sqlx::raw_sql(AssertSqlSafe(others))
        .execute(&pool)
        .await
        .unwrap();
    for rows in sessions.chunks(4) {
        rotate_all(&store, rows).await;
    }
    // Older servers do not count.
    let version = sqlx::query_scalar("SELECT current_setting('server_version_num')::bigint");
    let version: i64 = version.fetch_one(&pool).await.unwrap();
    if version < 140_000 {
        return;
    }
    let plans = "SELECT custom_plans, generic_plans FROM pg_prepared_statements
        WHERE statement LIKE 'WITH v (%'";
    let plans: (i64, i64) = sqlx::query_as(plans).fetch_one(&pool).await.unwrap();
    let (anew, kept) = plans;
    assert!(
        anew <= 5 && kept > 5,
        "{anew} plans, and {kept} times the kept one"
    );
}
