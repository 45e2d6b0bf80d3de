//! Hashes in a table beside those of the sessions.

#[cfg(feature = "sqlite")]
use std::path::Path;

use hallpass::Subject;

/// The table, for SQLite and for PostgreSQL, which differ in nothing that is needed here.
const TABLE: &str =
    "CREATE TABLE IF NOT EXISTS users (name TEXT PRIMARY KEY, password_hash TEXT NOT NULL)";

macro_rules! hashes {
    ($(#[$about:meta])* $name:ident($pool:ty)) => {
        $(#[$about])*
        #[derive(Clone)]
        pub(crate) struct $name(pub(crate) $pool);

        impl $name {
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
                let update =
                    "UPDATE users SET password_hash = $1 WHERE name = $2 AND password_hash = $3";
                let update = sqlx::query(update).bind(to).bind(subject.as_str());
                let done = update.bind(from).execute(&self.0).await?;
                Ok(done.rows_affected() == 1)
            }
        }
    };
}

#[cfg(feature = "sqlite")]
hashes!(
    /// Hashes in the file of the sessions.
    SqliteHashes(sqlx::SqlitePool)
);

#[cfg(feature = "sqlite")]
impl SqliteHashes {
    /// Opens a file that exists.
    pub(crate) async fn open(file: &Path) -> sqlx::Result<Self> {
        let file = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
        let pool = sqlx::SqlitePool::connect_with(file).await?;
        sqlx::query(TABLE).execute(&pool).await?;
        Ok(Self(pool))
    }
}

#[cfg(feature = "postgres")]
hashes!(
    /// Hashes in the database of the sessions, in the role's own schema.
    PostgresHashes(sqlx::PgPool)
);

#[cfg(feature = "postgres")]
impl PostgresHashes {
    pub(crate) async fn connect(url: &str) -> sqlx::Result<Self> {
        /// How long a statement may take: less than a person waits at a login.
        const TIME_LIMIT: std::time::Duration = std::time::Duration::from_secs(3);
        /// Servers that start at the same time make the table one after the other: `IF NOT EXISTS` alone
        /// fails there. The number is arbitrary.
        const LOCK: &str = "SELECT pg_advisory_xact_lock(504447201907)";
        let server: sqlx::postgres::PgConnectOptions = url.parse()?;
        let limit = TIME_LIMIT.as_millis().to_string();
        let pool = sqlx::postgres::PgPoolOptions::new()
            .max_connections(4)
            .acquire_timeout(TIME_LIMIT)
            .connect_with(server.options([("statement_timeout", limit)]))
            .await?;
        let mut transaction = pool.begin().await?;
        sqlx::query(LOCK).execute(&mut *transaction).await?;
        sqlx::query(TABLE).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(Self(pool))
    }
}
