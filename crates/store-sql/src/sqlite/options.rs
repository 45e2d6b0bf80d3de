//! How a file is opened.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use super::{SqliteStore, SqliteStoreError};

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
    pub(crate) durability: Durability,
    pub(crate) busy_timeout: Duration,
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

    /// Opens the file, and makes it if there is none.
    pub async fn open(self, path: impl AsRef<Path>) -> Result<SqliteStore, SqliteStoreError> {
        let file = SqliteConnectOptions::new().filename(path);
        self.open_with(file.create_if_missing(true)).await
    }

    /// Opens the file that a URL names, such as `sqlite:sessions.db`, and makes it if there
    /// is none. With `?mode=ro` it is only read, and with `?mode=rw` it must exist.
    pub async fn connect(self, url: &str) -> Result<SqliteStore, SqliteStoreError> {
        let file = SqliteConnectOptions::from_str(url)?;
        let must_exist = url.contains("mode=rw") && !url.contains("mode=rwc");
        self.open_with(file.create_if_missing(!must_exist)).await
    }

    /// Uses the application's own pool; the [module](super) says what it must be like.
    pub async fn with_pool(self, pool: SqlitePool) -> Result<SqliteStore, SqliteStoreError> {
        SqliteStore::start(pool, &self).await
    }

    async fn open_with(self, file: SqliteConnectOptions) -> Result<SqliteStore, SqliteStoreError> {
        let file = file
            .busy_timeout(self.busy_timeout)
            .pragma("journal_size_limit", (64 << 20).to_string());
        let pool = SqlitePoolOptions::new()
            .max_connections(self.readers.max(1))
            .acquire_timeout(self.busy_timeout)
            // A connection to a file does not go stale; asking it costs as much as a read.
            .test_before_acquire(false)
            .connect_lazy_with(file);
        SqliteStore::start_own(pool, &self).await
    }
}

impl Default for SqliteStoreOptions {
    fn default() -> Self {
        Self::new()
    }
}
