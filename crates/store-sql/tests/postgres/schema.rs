//! The schema: made, kept, and refused where it cannot be trusted.

use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use store_sql::postgres::{Notices, PostgresStoreOptions};
use store_sql::{PostgresStore, PostgresStoreError};
use token_session::SessionStore;

use crate::schema;
use crate::sessions::{at, ending, rotation, session, share, stored, subject, subject_ending};
use testbed::postgres::url;

async fn pool() -> PgPool {
    PgPool::connect(url()).await.unwrap()
}

async fn run(pool: &PgPool, statements: String) {
    sqlx::raw_sql(AssertSqlSafe(statements))
        .execute(pool)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_restart_of_a_node_keeps_sessions_endings_and_buckets() {
    let options = PostgresStoreOptions::new().schema(schema());
    let store = options.clone().connect(url()).await.unwrap();
    let (live, ended) = (stored(&store, "alice").await, stored(&store, "alice").await);
    let _ = store.commit(&rotation(&live, at(1))).await.unwrap();
    let _ = store.revoke(&ending(ended.id, at(2))).await.unwrap();
    let bucket = store.bucket(&subject("alice"));
    drop(store);

    let store = options.with_pool(pool().await).await.unwrap();
    assert_eq!(store.bucket(&subject("alice")), bucket);
    let row = store.load(live.id).await.unwrap().unwrap();
    assert_eq!(row.generation, live.generation.next());
    assert_eq!(store.revocations(at(2)).await.unwrap().len(), 1);
    assert_eq!(store.revocations(at(3)).await.unwrap().len(), 0);
}

#[test]
fn a_store_may_be_dropped_after_its_runtime() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = runtime.block_on(async {
        let store = crate::store().await;
        stored(&store, "alice").await;
        store
    });
    drop(runtime);
    drop(store);
}

#[tokio::test]
async fn nodes_that_start_at_once_make_the_schema_once() {
    let options = PostgresStoreOptions::new().schema(schema()).connections(2);
    let start = || tokio::spawn(options.clone().connect(url()));
    let starting: Vec<_> = (0..6).map(|_| start()).collect();
    for store in starting {
        stored(&store.await.unwrap().unwrap(), "alice").await;
    }
}

#[tokio::test]
async fn a_role_that_cannot_make_tables_starts_where_they_stand() {
    let schema = schema();
    let pool = pool().await;
    let options = PostgresStoreOptions::new().schema(&schema);
    drop(options.clone().with_pool(pool.clone()).await.unwrap());
    let role = format!("{schema}_role");
    run(
        &pool,
        format!(
            "CREATE ROLE {role} LOGIN;
            GRANT USAGE ON SCHEMA {schema} TO {role};
            GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}"
        ),
    )
    .await;
    let server: PgConnectOptions = url().parse().unwrap();
    let limited = PgPoolOptions::new().connect_with(server.username(&role));
    let limited = limited.await.unwrap();
    let store = options.with_pool(limited.clone()).await.unwrap();
    let row = stored(&store, "alice").await;
    let _ = store.revoke(&ending(row.id, at(1))).await.unwrap();

    let elsewhere = PostgresStoreOptions::new().schema(crate::schema());
    let error = elsewhere.with_pool(limited).await.unwrap_err();
    assert!(
        matches!(error, PostgresStoreError::Privilege(_)),
        "{error:?}"
    );
}

/// It has tables of our names, and sqlx's own record of migrations.
#[tokio::test]
async fn the_tables_of_the_application_stay_as_they_are() {
    let (app, schema) = (schema(), schema());
    let first = pool().await;
    run(&first, format!("CREATE SCHEMA {app}")).await;
    let server: PgConnectOptions = url().parse().unwrap();
    let server = server.options([("search_path", app.as_str())]);
    let pool = PgPoolOptions::new().connect_with(server).await.unwrap();
    let tables = "CREATE TABLE session (id int); CREATE TABLE subject (id int);
        CREATE TABLE _sqlx_migrations (version bigint); INSERT INTO session VALUES (7)";
    run(&pool, tables.to_owned()).await;
    let options = PostgresStoreOptions::new().schema(&schema);
    let store = options.with_pool(pool.clone()).await.unwrap();
    stored(&store, "alice").await;
    let mine = sqlx::query_scalar::<_, i32>("SELECT id FROM session");
    assert_eq!(mine.fetch_all(&pool).await.unwrap(), [7]);
    let names = "SELECT tablename::text FROM pg_tables WHERE schemaname = $1 ORDER BY 1";
    let names = sqlx::query_scalar::<_, String>(names).bind(&app);
    let expected = ["_sqlx_migrations", "session", "subject"];
    assert_eq!(names.fetch_all(&pool).await.unwrap(), expected);
}

/// A user who may make functions and operators in a schema on the application's search path, such as
/// everybody in `public` before version 15, has none of them called with its rights.
#[tokio::test]
async fn nothing_on_the_search_path_takes_the_place_of_what_the_functions_call() {
    let trap = schema();
    let first = pool().await;
    let mut traps = vec![format!(
        "CREATE SCHEMA {trap};
        CREATE FUNCTION {trap}.spring() RETURNS void LANGUAGE plpgsql AS
            $$BEGIN RAISE EXCEPTION 'sprung'; END$$;"
    )];
    // What fits better than what PostgreSQL has, which converts one of them.
    for (operator, left, right, result) in [
        ("||", "text", "bigint", "text"),
        ("=", "text", "bytea", "boolean"),
        ("<>", "bytea", "text", "boolean"),
        ("+", "bigint", "numeric", "bigint"),
    ] {
        let name = format!("trap_{left}_{right}");
        traps.push(format!(
            "CREATE FUNCTION {trap}.{name}({left}, {right}) RETURNS {result} LANGUAGE sql AS
                $$SELECT {trap}.spring(); SELECT NULL::{result}$$;
            CREATE OPERATOR {trap}.{operator} (
                FUNCTION = {trap}.{name}, LEFTARG = {left}, RIGHTARG = {right});"
        ));
    }
    for (name, arguments) in [
        ("pg_notify", "varchar, varchar"),
        ("encode", "bytea, varchar"),
        ("translate", "text, varchar, varchar"),
    ] {
        traps.push(format!(
            "CREATE FUNCTION {trap}.{name}({arguments}) RETURNS text LANGUAGE sql AS
                $$SELECT {trap}.spring(); SELECT NULL::text$$;"
        ));
    }
    run(&first, traps.concat()).await;
    let server: PgConnectOptions = url().parse().unwrap();
    let server = server.options([("search_path", trap.as_str())]);
    let pool = PgPoolOptions::new().connect_with(server).await.unwrap();
    let options = PostgresStoreOptions::new().schema(schema());
    let store = options.with_pool(pool).await.unwrap();
    let one = stored(&store, "alice").await;
    stored(&store, "alice").await;
    let _ = store.commit(&rotation(&one, at(1))).await.unwrap();
    let _ = store.revoke(&ending(one.id, at(2))).await.unwrap();
    let all = subject_ending("alice", at(3));
    assert_eq!(store.revoke_subject(&all).await.unwrap().len(), 1);
}

#[tokio::test]
async fn tables_of_an_older_version_are_brought_up_to_date_with_their_sessions() {
    let schema = schema();
    let options = PostgresStoreOptions::new().schema(&schema);
    let pool = pool().await;
    let store = options.clone().with_pool(pool.clone()).await.unwrap();
    let session = stored(&store, "alice").await;
    drop(store);
    let older = format!(
        "ALTER TABLE {schema}.session DROP COLUMN binding;
        DELETE FROM {schema}.migration WHERE version = 2"
    );
    run(&pool, older).await;
    let store = options.with_pool(pool).await.unwrap();
    let row = store.load(session.id).await.unwrap().unwrap();
    assert_eq!(*row, session);
}

#[tokio::test]
async fn tables_of_a_newer_version_are_refused_and_left_alone() {
    let schema = schema();
    let options = PostgresStoreOptions::new().schema(&schema);
    let pool = pool().await;
    drop(options.clone().with_pool(pool.clone()).await.unwrap());
    run(&pool, format!("INSERT INTO {schema}.migration VALUES (7)")).await;
    let error = options.with_pool(pool).await.unwrap_err();
    assert!(matches!(
        error,
        PostgresStoreError::SchemaVersion {
            found: 7,
            expected: 2
        }
    ));
}

/// It keeps the bucket key of the tables that it was opened on, and by that no session is looked for.
#[tokio::test]
async fn a_running_store_goes_on_with_tables_that_another_has_made_again() {
    let schema = schema();
    let options = PostgresStoreOptions::new().schema(&schema);
    let pool = pool().await;
    let running = options.clone().connect(url()).await.unwrap();
    for asks_meanwhile in [false, true] {
        // Each statement is prepared on the tables that go.
        share(&running, &running).await;
        let gone = stored(&running, "alice").await;
        let login = session(&running, "alice").await;
        run(&pool, format!("DROP SCHEMA {schema} CASCADE")).await;
        if asks_meanwhile {
            let read = running.load(gone.id).await.unwrap_err();
            let write = running.create(&login, None).await.unwrap_err();
            for error in [read, write] {
                assert!(
                    matches!(error, PostgresStoreError::Statement(_)),
                    "{error:?}"
                );
                assert!(PostgresStore::wrote_nothing(&error));
            }
        }
        let started = options.clone().connect(url()).await.unwrap();
        let mut names = (0..64).map(|n| subject(&n.to_string()));
        let moved = |name| running.bucket(&name) != started.bucket(&name);
        assert!(names.any(moved), "they have one key");
        assert!(running.load(gone.id).await.unwrap().is_none());
        share(&running, &started).await;
        share(&started, &running).await;
    }
}

#[tokio::test]
async fn a_running_store_goes_on_with_tables_of_a_newer_version() {
    let schema = schema();
    let options = PostgresStoreOptions::new().schema(&schema);
    let running = options.clone().connect(url()).await.unwrap();
    share(&running, &running).await;
    let newer = format!(
        "ALTER TABLE {schema}.session ADD COLUMN newer text DEFAULT 'new';
        ALTER TABLE {schema}.data ADD COLUMN newer text;
        INSERT INTO {schema}.migration VALUES (3)"
    );
    run(&pool().await, newer).await;
    share(&running, &running).await;
    let error = options.connect(url()).await.unwrap_err();
    assert!(matches!(
        error,
        PostgresStoreError::SchemaVersion { found: 3, .. }
    ));
}

#[tokio::test]
async fn a_schema_name_that_needs_quotes_is_refused() {
    for name in ["", "Tokens", "to kens", "a;b", "1st", "_x", &"a".repeat(41)] {
        let options = PostgresStoreOptions::new().schema(name);
        let error = options.connect(url()).await.unwrap_err();
        assert!(
            matches!(error, PostgresStoreError::SchemaName { .. }),
            "{error:?}"
        );
    }
}

#[test]
fn the_settings_show_no_password() {
    let server = "postgres://app:hush@localhost/app".parse().unwrap();
    let notices = Notices::ListenOn(Box::new(server));
    let options = format!("{:?}", PostgresStoreOptions::new().notices(notices));
    assert!(
        options.contains("ListenOn") && !options.contains("hush"),
        "{options}"
    );
}

#[tokio::test]
async fn a_stricter_isolation_level_is_refused() {
    let server: PgConnectOptions = url().parse().unwrap();
    let strict = server.options([("default_transaction_isolation", "serializable")]);
    let strict = PgPoolOptions::new().connect_with(strict).await.unwrap();
    let error = PostgresStore::new(strict).await.unwrap_err();
    assert!(error.to_string().contains("serializable"), "{error}");
}

#[tokio::test]
async fn a_value_edited_by_hand_is_named_with_its_column_and_session() {
    let schema = schema();
    let options = PostgresStoreOptions::new().schema(&schema);
    let pool = pool().await;
    let store = options.with_pool(pool.clone()).await.unwrap();
    for (column, value) in [
        ("subject", "''"),
        ("transport", "'pigeon'"),
        ("created_at", "-5"),
        ("amr", "'pwd'"),
        ("generation", "-1"),
        ("token_hash", "'\\x00'"),
        ("revoke_reason", "'logout'"),
        ("claims", "'[]'"),
        ("binding", "'\\x81'"),
    ] {
        let session = stored(&store, "alice").await;
        let edit = format!("UPDATE {schema}.session SET {column} = {value} WHERE id = $1");
        let edit = sqlx::query(AssertSqlSafe(edit)).bind(session.id.as_bytes().as_slice());
        edit.execute(&pool).await.unwrap();
        let error = store.load(session.id).await.unwrap_err();
        let PostgresStoreError::CorruptRow {
            table: "session",
            column: found,
            session: Some(id),
            ..
        } = error
        else {
            panic!("{error:?}");
        };
        assert_eq!((found, id), (column, session.id));
    }
}
