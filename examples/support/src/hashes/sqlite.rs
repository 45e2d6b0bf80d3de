//! Hashes in SQLite.

use std::path::Path;

use hallpass::Subject;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};

/// Hashes in a table beside those of the sessions, in the same file.
#[derive(Clone)]
pub(crate) struct SqliteHashes(pub(crate) SqlitePool);

impl SqliteHashes {
    /// Opens a file that exists.
    pub(crate) async fn open(file: &Path) -> sqlx::Result<Self> {
        let options = SqliteConnectOptions::new().filename(file);
        let pool = SqlitePoolOptions::new().connect_with(options).await?;
        let table = "CREATE TABLE IF NOT EXISTS users (
            name TEXT PRIMARY KEY, password_hash TEXT NOT NULL
        ) STRICT";
        sqlx::query(table).execute(&pool).await?;
        Ok(Self(pool))
    }

    pub(crate) async fn get(&self, subject: &Subject) -> sqlx::Result<Option<String>> {
        sqlx::query_scalar("SELECT password_hash FROM users WHERE name = ?")
            .bind(subject.as_str())
            .fetch_optional(&self.0)
            .await
    }

    pub(crate) async fn insert(&self, subject: &Subject, hash: String) -> sqlx::Result<()> {
        let insert = "INSERT INTO users (name, password_hash) VALUES (?, ?)
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
        let update = "UPDATE users SET password_hash = ? WHERE name = ? AND password_hash = ?";
        let update = sqlx::query(update).bind(to).bind(subject.as_str());
        let done = update.bind(from).execute(&self.0).await?;
        Ok(done.rows_affected() == 1)
    }
}
