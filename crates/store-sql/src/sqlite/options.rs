//! How a file is opened.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
#[cfg(unix)]
use token_core::PRODUCT;
#[cfg(unix)]
use tracing::warn;

use super::store::SqliteStore;
use super::writer::{Synchronous, Writer};
use super::{SqliteStoreError, schema};
use crate::gathering::MOST;

/// What survives a loss of power, or of the operating system. Whatever is chosen, nothing is
/// lost when only the process ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "all writes, or those that end something"
)]
pub enum Durability {
    /// What ends something: logouts, and the renewals of a step-up or a change of password.
    /// The last logins and refreshes may be lost (`synchronous = NORMAL`); who made them logs
    /// in again.
    Endings,
    /// Every write that was reported (`synchronous = FULL`).
    #[default]
    Full,
}

impl SqliteStore {
    /// Uses the application's own pool, with the default [`SqliteStoreOptions`]. Makes its
    /// tables, or brings them up to date.
    pub async fn new(pool: SqlitePool) -> Result<Self, SqliteStoreError> {
        SqliteStoreOptions::new().with_pool(pool).await
    }

    /// Opens a file with the default [`SqliteStoreOptions`], and makes it if there is none.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, SqliteStoreError> {
        SqliteStoreOptions::new().open(path).await
    }
}

/// Settings of a [`SqliteStore`].
///
/// ```no_run
/// use store_sql::sqlite::{Durability, SqliteStoreOptions};
///
/// # async fn open() -> Result<(), store_sql::SqliteStoreError> {
/// let store = SqliteStoreOptions::new()
///     .durability(Durability::Endings)
///     .open("sessions.db")
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct SqliteStoreOptions {
    durability: Durability,
    busy_timeout: Duration,
    readers: u32,
}

impl SqliteStoreOptions {
    /// The defaults that each method names.
    pub const fn new() -> Self {
        Self {
            durability: Durability::Full,
            // Below the manager's default store time-out of 5 seconds.
            busy_timeout: Duration::from_secs(4),
            readers: 4,
        }
    }

    /// Default [`Durability::Full`].
    pub const fn durability(mut self, value: Durability) -> Self {
        self.durability = value;
        self
    }

    /// Default 4 seconds: how long a write waits for another process, to the millisecond.
    /// Keep it below the manager's store time-out. A pool of the application's own keeps its
    /// own value for reads.
    pub const fn busy_timeout(mut self, value: Duration) -> Self {
        self.busy_timeout = value;
        self
    }

    /// Default 4, at least 1: how many connections read at the same time. Not for a pool of the
    /// application's own.
    pub const fn readers(mut self, value: u32) -> Self {
        self.readers = value;
        self
    }

    /// Opens the file, and makes it if there is none. On Unix a new file can be read and written by
    /// its owner alone, and SQLite gives the two files beside it the same rights.
    pub async fn open(self, path: impl AsRef<Path>) -> Result<SqliteStore, SqliteStoreError> {
        make_private(path.as_ref());
        let file = SqliteConnectOptions::new().filename(path);
        self.open_with(file.create_if_missing(true)).await
    }

    /// Opens the file that a URL names, such as `sqlite:sessions.db`, and makes it if there
    /// is none. With `?mode=ro` it is only read, and with `?mode=rw` it must exist.
    pub async fn connect(self, url: &str) -> Result<SqliteStore, SqliteStoreError> {
        let file = SqliteConnectOptions::from_str(url)?;
        let must_exist = url.contains("mode=rw") && !url.contains("mode=rwc");
        if !must_exist && !url.contains("mode=ro") {
            make_private(file.get_filename());
        }
        self.open_with(file.create_if_missing(!must_exist)).await
    }

    /// Uses the application's own pool; the [module](super) says what it must be like.
    pub async fn with_pool(self, pool: SqlitePool) -> Result<SqliteStore, SqliteStoreError> {
        let writer = self.writer(&pool);
        SqliteStore::start(pool, writer).await
    }

    async fn open_with(self, file: SqliteConnectOptions) -> Result<SqliteStore, SqliteStoreError> {
        let file = file
            .busy_timeout(self.busy_timeout)
            // So that the rows of a batch need not be fetched while it is written.
            .row_buffer_size(MOST + 1)
            .pragma("journal_size_limit", (64 << 20).to_string());
        let pool = SqlitePoolOptions::new()
            .max_connections(self.readers.max(1))
            .acquire_timeout(self.busy_timeout)
            // A connection to a file does not go stale; asking it costs as much as a read.
            .test_before_acquire(false)
            .connect_lazy_with(file);
        let writer = self.writer(&pool);
        schema::use_wal(&writer, self.busy_timeout).await?;
        SqliteStore::start(pool, writer).await
    }

    fn writer(&self, pool: &SqlitePool) -> Writer {
        let everyday = match self.durability {
            Durability::Endings => Synchronous::Normal,
            Durability::Full => Synchronous::Full,
        };
        Writer::new(pool.clone(), self.busy_timeout, everyday)
    }
}

/// Makes a file that no other user can read, if there is none: the application's private data of all
/// sessions will be in it. If that fails, SQLite fails too, and says more. One that is there keeps its mode,
/// which may be meant so, and is reported if everybody can read it.
fn make_private(path: &Path) {
    // In memory, or a URL.
    if path.starts_with(":memory:") || path.to_string_lossy().starts_with("file:") {
        return;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
        let mut file = std::fs::OpenOptions::new();
        drop(file.write(true).create_new(true).mode(0o600).open(path));
        let mode = path.metadata().map_or(0, |data| data.permissions().mode());
        if mode & 0o007 != 0 {
            warn!(
                target: PRODUCT,
                path = %path.display(),
                mode = format_args!("{:o}", mode & 0o777),
                "every user of the machine can read the database of the sessions: run `chmod 600` on it"
            );
        }
    }
}

impl Default for SqliteStoreOptions {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use sqlx::SqlSafeStr;
    use sqlx::sqlite::SqlitePoolOptions;

    use super::super::writer::WritePermit;
    use super::*;
    use crate::row::Fields;

    async fn synchronous(permit: &mut WritePermit<'_>) -> Option<i64> {
        let pragma = "PRAGMA synchronous".into_sql_str();
        let rows = permit.fetch(&pragma, &[]).await.unwrap();
        rows[0].int(0).unwrap()
    }

    /// Whatever the connection did before: 1 is NORMAL, 2 is FULL.
    #[tokio::test]
    async fn each_turn_writes_as_safely_as_it_must() {
        let pool = SqlitePoolOptions::new()
            .connect_lazy("sqlite::memory:")
            .unwrap();
        let options = SqliteStoreOptions::new();
        let endings = options.clone().durability(Durability::Endings);
        for (options, everyday) in [(endings, 1), (options, 2)] {
            let writer = options.writer(&pool);
            for _ in 0..2 {
                let mut permit = writer.everyday().await.unwrap();
                assert_eq!(synchronous(&mut permit).await, Some(everyday));
                drop(permit);
                let mut permit = writer.durable().await.unwrap();
                assert_eq!(synchronous(&mut permit).await, Some(2));
            }
        }
    }
}
