//! Hashes in PostgreSQL.

use std::str::FromStr as _;
use std::time::Duration;

use hallpass::Subject;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

/// Hashes in a table beside those of the sessions, in the role's own schema.
#[derive(Clone)]
pub(crate) struct PostgresHashes(PgPool);

/// How long a statement may take: less than a person waits at a login.
const TIME_LIMIT: Duration = Duration::from_secs(3);

/// Servers that start at the same time make the table one after the other: `IF NOT EXISTS` alone
/// fails there. The number is arbitrary.
const LOCK: i64 = 0x0075_7365_7273;

impl PostgresHashes {
    pub(crate) async fn connect(url: &str) -> sqlx::Result<Self> {
        let server = PgConnectOptions::from_str(url)?;
        let limit = TIME_LIMIT.as_millis().to_string();
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .acquire_timeout(TIME_LIMIT)
            .connect_with(server.options([("statement_timeout", limit)]))
            .await?;
        let mut transaction = pool.begin().await?;
        let lock = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK);
        lock.execute(&mut *transaction).await?;
        let table = "CREATE TABLE IF NOT EXISTS users (
            name text PRIMARY KEY, password_hash text NOT NULL
        )";
        sqlx::query(table).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(Self(pool))
    }

    pub(crate) async fn get(&self, subject: &Subject) -> sqlx::Result<Option<String>> {
        sqlx::query_scalar("SELECT password_hash FROM users WHERE name = $1")
            .bind(subject.as_str())
            .fetch_optional(&self.0)
            .await
    }

    pub(crate) async fn insert(&self, subject: &Subject, hash: String) -> sqlx::Result<()> {
        let insert = "INSERT INTO users (name, password_hash) VALUES ($1, $2)
            ON CONFLICT (name) DO NOTHING";
        let insert = sqlx::query(insert).bind(subject.as_str()).bind(hash);
        insert.execute(&self.0).await.map(drop)
    }

    pub(crate) async fn replace(
        &self,
        subject: &Subject,
        from: &str,
        to: String,
    ) -> sqlx::Result<bool> {
        let update = "UPDATE users SET password_hash = $1 WHERE name = $2 AND password_hash = $3";
        let update = sqlx::query(update).bind(to).bind(subject.as_str());
        let done = update.bind(from).execute(&self.0).await?;
        Ok(done.rows_affected() == 1)
    }
}
