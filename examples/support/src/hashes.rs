//! Where the hashes of passwords are kept: with the sessions.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::AsyncCommands as _;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use thiserror::Error;
use token_core::Subject;

/// The hash of each user's password. Cheap to clone.
#[derive(Clone)]
pub(crate) enum Hashes {
    Memory(Arc<Mutex<HashMap<Subject, String>>>),
    Postgres(PgPool),
    Redis(ConnectionManager),
    Sqlite(SqlitePool),
}

/// A hash in Redis, beside the keys of the sessions and not among them.
const KEY: &str = "example:users";

/// How long a server may take: less than a person waits at a login.
const PATIENCE: Duration = Duration::from_secs(3);

/// Servers that start at the same time make the table one after the other: `IF NOT EXISTS`
/// alone fails there. The number is arbitrary.
const LOCK: i64 = 0x0075_7365_7273;

impl Hashes {
    pub(crate) fn in_memory() -> Self {
        Self::Memory(Arc::default())
    }

    /// In a table beside those of the sessions, in the schema that is the role's own.
    pub(crate) async fn in_postgres(url: &str) -> Result<Self, HashesError> {
        let server = PgConnectOptions::from_str(url)?;
        let patience = PATIENCE.as_millis().to_string();
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .acquire_timeout(PATIENCE)
            .connect_with(server.options([("statement_timeout", patience)]))
            .await?;
        let mut transaction = pool.begin().await?;
        let lock = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK);
        lock.execute(&mut *transaction).await?;
        let table = "CREATE TABLE IF NOT EXISTS users (
            name text PRIMARY KEY, password_hash text NOT NULL
        )";
        sqlx::query(table).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(Self::Postgres(pool))
    }

    pub(crate) async fn in_redis(url: &str) -> Result<Self, HashesError> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE))
            .set_number_of_retries(1);
        let client = redis::Client::open(url)?;
        let connection = client.get_connection_manager_with_config(config).await?;
        Ok(Self::Redis(connection))
    }

    /// In a table beside those of the sessions, in a file that is there.
    pub(crate) async fn in_sqlite(file: &Path) -> Result<Self, HashesError> {
        let options = SqliteConnectOptions::new().filename(file);
        let pool = SqlitePoolOptions::new().connect_with(options).await?;
        let table = "CREATE TABLE IF NOT EXISTS users (
            name TEXT PRIMARY KEY, password_hash TEXT NOT NULL
        ) STRICT";
        sqlx::query(table).execute(&pool).await?;
        Ok(Self::Sqlite(pool))
    }

    pub(crate) async fn get(&self, subject: &Subject) -> Result<Option<String>, HashesError> {
        Ok(match self {
            Self::Memory(hashes) => lock(hashes).get(subject).cloned(),
            Self::Postgres(pool) => {
                sqlx::query_scalar("SELECT password_hash FROM users WHERE name = $1")
                    .bind(subject.as_str())
                    .fetch_optional(pool)
                    .await?
            }
            Self::Redis(connection) => connection.clone().hget(KEY, subject.as_str()).await?,
            Self::Sqlite(pool) => {
                sqlx::query_scalar("SELECT password_hash FROM users WHERE name = ?")
                    .bind(subject.as_str())
                    .fetch_optional(pool)
                    .await?
            }
        })
    }

    /// Unless there is one; another process may have been faster.
    pub(crate) async fn insert(&self, subject: &Subject, hash: String) -> Result<(), HashesError> {
        match self {
            Self::Memory(hashes) => {
                lock(hashes).entry(subject.clone()).or_insert(hash);
            }
            Self::Postgres(pool) => {
                let insert = "INSERT INTO users (name, password_hash) VALUES ($1, $2)
                    ON CONFLICT (name) DO NOTHING";
                let insert = sqlx::query(insert).bind(subject.as_str()).bind(hash);
                insert.execute(pool).await?;
            }
            Self::Redis(connection) => {
                let mut connection = connection.clone();
                let () = connection.hset_nx(KEY, subject.as_str(), hash).await?;
            }
            Self::Sqlite(pool) => {
                let insert = "INSERT INTO users (name, password_hash) VALUES (?, ?)
                    ON CONFLICT (name) DO NOTHING";
                let insert = sqlx::query(insert).bind(subject.as_str()).bind(hash);
                insert.execute(pool).await?;
            }
        }
        Ok(())
    }

    pub(crate) async fn replace(&self, subject: &Subject, hash: String) -> Result<(), HashesError> {
        match self {
            Self::Memory(hashes) => {
                lock(hashes).insert(subject.clone(), hash);
            }
            Self::Postgres(pool) => {
                let update = "UPDATE users SET password_hash = $1 WHERE name = $2";
                let update = sqlx::query(update).bind(hash).bind(subject.as_str());
                update.execute(pool).await?;
            }
            Self::Redis(connection) => {
                let mut connection = connection.clone();
                let () = connection.hset(KEY, subject.as_str(), hash).await?;
            }
            Self::Sqlite(pool) => {
                let update = "UPDATE users SET password_hash = ? WHERE name = ?";
                let update = sqlx::query(update).bind(hash).bind(subject.as_str());
                update.execute(pool).await?;
            }
        }
        Ok(())
    }
}

/// No code panics while it holds the lock, so what it guards is whole.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Hashes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory(_) => "Memory",
            Self::Postgres(_) => "Postgres",
            Self::Redis(_) => "Redis",
            Self::Sqlite(_) => "Sqlite",
        })
    }
}

/// The hashes cannot be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HashesError {
    /// Redis says so.
    #[error("the users cannot be read or written: {0}")]
    Redis(#[from] redis::RedisError),
    /// The database says so.
    #[error("the users cannot be read or written: {0}")]
    Sql(#[from] sqlx::Error),
}
