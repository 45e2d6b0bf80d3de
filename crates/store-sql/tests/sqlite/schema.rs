//! The tables: made, kept, shared with an application's own, and refused where they cannot be
//! trusted.

use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, Row};
use store_sql::sqlite::SqliteStoreOptions;
use store_sql::{SqliteStore, SqliteStoreError};
use testbed::log::Log;
use token_session::SessionStore;

use crate::folder;
use crate::sessions::{at, ending, rotation, session, share, stored, subject};

pub(crate) async fn pool(file: &std::path::Path) -> SqlitePool {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true);
    SqlitePoolOptions::new()
        .connect_with(options)
        .await
        .expect("a pool")
}

#[tokio::test]
async fn a_restart_keeps_sessions_endings_and_buckets() {
    let folder = folder();
    let file = folder.path().join("sessions.db");
    let store = SqliteStore::open(&file).await.unwrap();
    let (live, ended) = (stored(&store, "alice").await, stored(&store, "alice").await);
    let _ = store.commit(&rotation(&live, at(1))).await.unwrap();
    let _ = store.revoke(&ending(ended.id, at(2))).await.unwrap();
    let bucket = store.bucket(&subject("alice"));
    drop(store);

    let store = SqliteStore::open(&file).await.unwrap();
    assert_eq!(store.bucket(&subject("alice")), bucket);
    let row = store.load(live.id).await.unwrap().unwrap();
    assert_eq!(row.generation, live.generation.next());
    let row = store.load(ended.id).await.unwrap().unwrap();
    assert_eq!(row.revocation, Some(ending(ended.id, at(2)).revocation));
    assert_eq!(store.revocations(at(2)).await.unwrap().len(), 1);
    assert_eq!(store.revocations(at(3)).await.unwrap().len(), 0);
}

#[tokio::test]
async fn the_tables_of_the_application_stay_as_they_are() {
    let folder = folder();
    let pool = pool(&folder.path().join("app.db")).await;
    let own = "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY);
        INSERT INTO _sqlx_migrations VALUES (42);
        CREATE TABLE session (mine TEXT); CREATE TABLE users (name TEXT)";
    sqlx::raw_sql(own).execute(&pool).await.unwrap();
    let store = SqliteStore::new(pool.clone()).await.unwrap();
    stored(&store, "alice").await;
    let again = SqliteStore::new(pool.clone()).await.unwrap();
    assert_eq!(again.list(&subject("alice")).await.unwrap().len(), 1);

    let names = "SELECT name FROM sqlite_schema
        WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'hallpass_%'
        ORDER BY name";
    let names = sqlx::query(names).fetch_all(&pool).await.unwrap();
    let names: Vec<&str> = names.iter().map(|row| row.get(0)).collect();
    assert_eq!(names, ["_sqlx_migrations", "session", "users"]);
    let versions = sqlx::query("SELECT version FROM _sqlx_migrations");
    assert_eq!(versions.fetch_all(&pool).await.unwrap().len(), 1);
}

#[tokio::test]
async fn many_that_open_a_new_file_at_once_make_it_once() {
    let folder = folder();
    let file = folder.path().join("sessions.db");
    let open = || tokio::spawn(SqliteStore::open(file.clone()));
    let opening: Vec<_> = (0..8).map(|_| open()).collect();
    let mut buckets = Vec::new();
    for store in opening {
        let store = store.await.unwrap().unwrap();
        buckets.push(store.bucket(&subject("alice")));
        stored(&store, "alice").await;
    }
    assert!(buckets.iter().all(|bucket| *bucket == buckets[0]));
}

#[tokio::test]
async fn tables_of_an_older_version_are_brought_up_to_date_with_their_sessions() {
    let folder = folder();
    let file = folder.path().join("sessions.db");
    let session = stored(&SqliteStore::open(&file).await.unwrap(), "alice").await;
    let older = "ALTER TABLE hallpass_session DROP COLUMN binding;
        DELETE FROM hallpass_migration WHERE version = 2";
    sqlx::raw_sql(older)
        .execute(&pool(&file).await)
        .await
        .unwrap();
    let store = SqliteStore::open(&file).await.unwrap();
    let row = store.load(session.id).await.unwrap().unwrap();
    assert_eq!(*row, session);
    assert!(row.binding.is_unbound());
}

#[tokio::test]
async fn tables_of_a_newer_version_are_refused_and_left_alone() {
    let folder = folder();
    let file = folder.path().join("sessions.db");
    drop(SqliteStore::open(&file).await.unwrap());
    let pool = pool(&file).await;
    let newer = "INSERT INTO hallpass_migration VALUES (7, 0)";
    sqlx::query(newer).execute(&pool).await.unwrap();
    let error = SqliteStore::open(&file).await.unwrap_err();
    assert!(matches!(
        error,
        SqliteStoreError::SchemaVersion {
            found: 7,
            expected: 2
        }
    ));
    assert!(error.to_string().contains("version 7"), "{error}");
}

/// It keeps the bucket key of the tables that it was opened on, and by that no session is looked for.
#[tokio::test]
async fn a_running_store_goes_on_with_tables_that_another_has_made_again() {
    let folder = folder();
    let file = folder.path().join("sessions.db");
    let pool = pool(&file).await;
    let running = SqliteStore::open(&file).await.unwrap();
    for asks_meanwhile in [false, true] {
        // Each statement is prepared on the tables that go.
        share(&running, &running).await;
        let gone = stored(&running, "alice").await;
        let login = session(&running, "alice").await;
        for table in ["data", "session", "subject", "meta", "migration"] {
            let drop = AssertSqlSafe(format!("DROP TABLE hallpass_{table}"));
            sqlx::query(drop).execute(&pool).await.unwrap();
        }
        if asks_meanwhile {
            let read = running.load(gone.id).await.unwrap_err();
            let write = running.create(&login, None).await.unwrap_err();
            for error in [read, write] {
                assert!(matches!(error, SqliteStoreError::Statement(_)), "{error:?}");
                assert!(SqliteStore::wrote_nothing(&error));
            }
        }
        let started = SqliteStore::open(&file).await.unwrap();
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
    let folder = folder();
    let file = folder.path().join("sessions.db");
    let running = SqliteStore::open(&file).await.unwrap();
    share(&running, &running).await;
    let newer = "ALTER TABLE hallpass_session ADD COLUMN newer TEXT DEFAULT 'new';
        ALTER TABLE hallpass_data ADD COLUMN newer TEXT;
        INSERT INTO hallpass_migration VALUES (3, 0)";
    sqlx::raw_sql(newer)
        .execute(&pool(&file).await)
        .await
        .unwrap();
    share(&running, &running).await;
    let error = SqliteStore::open(&file).await.unwrap_err();
    assert!(matches!(
        error,
        SqliteStoreError::SchemaVersion { found: 3, .. }
    ));
}

#[tokio::test]
async fn a_table_of_the_application_with_our_name_is_reported() {
    let folder = folder();
    let pool = pool(&folder.path().join("app.db")).await;
    let own = "CREATE TABLE hallpass_session (id TEXT)";
    sqlx::query(own).execute(&pool).await.unwrap();
    let error = SqliteStore::new(pool).await.unwrap_err();
    assert!(matches!(error, SqliteStoreError::Statement(_)), "{error:?}");
}

#[tokio::test]
async fn a_value_edited_by_hand_is_named_with_its_column_and_session() {
    let folder = folder();
    let file = folder.path().join("sessions.db");
    let store = SqliteStore::open(&file).await.unwrap();
    let pool = pool(&file).await;
    for (column, value) in [
        ("subject", "''"),
        ("subject_epoch", "-1"),
        ("client_id", "char(9)"),
        ("transport", "'pigeon'"),
        ("scope", "'\"'"),
        ("created_at", "-5"),
        ("auth_time", "253402300800"),
        ("amr", "'pwd'"),
        ("generation", "-1"),
        ("token_hash", "x'00'"),
        ("previous_hash", "x''"),
        ("nonce", "x'0102'"),
        ("rotated_at", "-1"),
        ("rotated_by", "'magic'"),
        ("rotation_kid", "''"),
        ("idle_expires_at", "-1"),
        ("absolute_expires_at", "-1"),
        ("revoke_reason", "'logout'"),
        ("last_seen_at", "-1"),
        ("claims", "'[]'"),
        ("purge_at", "-1"),
        ("binding", "x'81'"),
    ] {
        let session = stored(&store, "alice").await;
        let edit = format!("UPDATE hallpass_session SET {column} = {value} WHERE id = $1");
        let edit = sqlx::query(AssertSqlSafe(edit)).bind(session.id.as_bytes().as_slice());
        edit.execute(&pool).await.unwrap();
        let error = store.load(session.id).await.unwrap_err();
        let SqliteStoreError::CorruptRow {
            table: "hallpass_session",
            column: found,
            session: Some(id),
            ..
        } = &error
        else {
            panic!("{error:?}");
        };
        assert_eq!((*found, *id), (column, session.id));
        let text = error.to_string();
        assert!(text.contains(column) && text.contains(&session.id.to_string()));
    }
}

#[tokio::test]
async fn a_bucket_key_edited_by_hand_is_named() {
    let folder = folder();
    let file = folder.path().join("sessions.db");
    drop(SqliteStore::open(&file).await.unwrap());
    let edit = "UPDATE hallpass_meta SET value = x'00'";
    sqlx::query(edit).execute(&pool(&file).await).await.unwrap();
    let error = SqliteStore::open(&file).await.unwrap_err();
    assert!(error.to_string().contains("hallpass_meta"), "{error}");
}

#[tokio::test]
async fn what_is_searched_for_has_an_index() {
    let folder = folder();
    let file = folder.path().join("sessions.db");
    drop(SqliteStore::open(&file).await.unwrap());
    let pool = pool(&file).await;
    for (search, index) in [
        (
            "SELECT id, revoked_at FROM hallpass_session WHERE revoked_at >= $1",
            "COVERING INDEX hallpass_session_revoked",
        ),
        (
            "SELECT rowid FROM hallpass_session WHERE purge_at <= $1 ORDER BY purge_at LIMIT 9",
            "COVERING INDEX hallpass_session_purge",
        ),
        (
            "SELECT id FROM hallpass_session WHERE subject = $1",
            "INDEX hallpass_session_subject",
        ),
    ] {
        let plan = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {search}"));
        let plan = sqlx::query(plan).fetch_all(&pool).await.unwrap();
        let plan: Vec<&str> = plan.iter().map(|row| row.get("detail")).collect();
        assert!(plan.iter().any(|step| step.contains(index)), "{plan:?}");
    }
}

/// Sessions have private data, and the demos keep the hashes of passwords in the same file.
#[cfg(unix)]
#[tokio::test]
async fn a_new_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = folder();
    let file = folder.path().join("sessions.db");
    let by_url = folder.path().join("url");
    std::fs::create_dir(&by_url).unwrap();
    let url = format!("sqlite:{}", by_url.join("sessions.db").display());
    let stores = [
        (folder.path(), SqliteStore::open(&file).await.unwrap()),
        (
            by_url.as_path(),
            SqliteStoreOptions::new().connect(&url).await.unwrap(),
        ),
    ];
    for (folder, store) in stores {
        let _ = stored(&store, "alice").await;
        let mut seen = 0;
        for entry in folder.read_dir().unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                continue;
            }
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{:?}", entry.file_name());
            seen += 1;
        }
        assert_eq!(seen, 3, "the file, its log and the log's index");
    }

    // What an operator has opened to others stays as it is.
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone());
    let _guard = tracing::subscriber::set_default(subscriber.with_ansi(false).finish());
    for (mode, reported) in [(0o640, false), (0o644, true)] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let _store = SqliteStore::open(&file).await.unwrap();
        let kept = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(kept, mode);
        let log = log.text();
        assert_eq!(log.contains("chmod 600"), reported, "{log}");
    }
}
