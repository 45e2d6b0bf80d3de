//! The one connection that writes.

use std::time::Duration;

use sqlx::sqlite::SqliteRow;
use sqlx::{SqlSafeStr as _, SqlStr, SqliteConnection, SqlitePool};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;

use super::SqliteStoreError;
use super::driver::query;
use crate::row::Fields as _;
use crate::value::Value;

/// Queues the writes of this process. The connection is made when it is first needed, and
/// again after an error.
#[derive(Debug)]
pub(crate) struct Writer {
    pool: SqlitePool,
    busy_timeout: Duration,
    everyday: Synchronous,
    connection: Mutex<Option<Connection>>,
}

/// Whether the log reaches the disk before a write is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Synchronous {
    Full,
    Normal,
}

#[derive(Debug)]
struct Connection {
    sqlite: SqliteConnection,
    synchronous: Option<Synchronous>,
    /// What SQLite counts of the commits of other connections, as it was seen last.
    data_version: Option<i64>,
}

impl Writer {
    pub(crate) fn new(pool: SqlitePool, busy_timeout: Duration, everyday: Synchronous) -> Self {
        Self {
            pool,
            busy_timeout,
            everyday,
            connection: Mutex::new(None),
        }
    }

    /// Waits for the turn of a write that may be lost with the power, if the options say so.
    pub(crate) async fn everyday(&self) -> Result<WritePermit<'_>, SqliteStoreError> {
        self.permit(self.everyday).await
    }

    /// Waits for the turn of a write that must never be lost.
    pub(crate) async fn durable(&self) -> Result<WritePermit<'_>, SqliteStoreError> {
        self.permit(Synchronous::Full).await
    }

    /// Waits for the turn of a write that is made again if it was lost with the power: it need not wait
    /// for the disk.
    pub(crate) async fn repeatable(&self) -> Result<WritePermit<'_>, SqliteStoreError> {
        self.permit(Synchronous::Normal).await
    }

    /// Whether another connection has written to the file since the last call: another process, since all
    /// writes of this one are made here, or the application itself.
    pub(crate) async fn changed_elsewhere(&self) -> Result<bool, SqliteStoreError> {
        let mut permit = self.everyday().await?;
        let rows = permit
            .fetch(&"PRAGMA data_version".into_sql_str(), &[])
            .await?;
        let version = rows.first().map(|row| row.int(0)).transpose()?.flatten();
        let connection = permit.slot.as_mut().expect("an error ends the turn");
        let before = std::mem::replace(&mut connection.data_version, version);
        Ok(version.is_none() || before != version)
    }

    async fn permit(&self, synchronous: Synchronous) -> Result<WritePermit<'_>, SqliteStoreError> {
        // Not for ever: an ending that is written long after it was asked for would be missed by nodes that
        // have read on meanwhile.
        let slot = timeout(self.busy_timeout, self.connection.lock()).await;
        let mut slot = slot.map_err(|_| SqliteStoreError::Busy(sqlx::Error::PoolTimedOut))?;
        let mut connection = match slot.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        if connection.synchronous != Some(synchronous) {
            connection.synchronous = None;
            sqlx::query(match synchronous {
                Synchronous::Full => "PRAGMA synchronous = FULL",
                Synchronous::Normal => "PRAGMA synchronous = NORMAL",
            })
            .execute(&mut connection.sqlite)
            .await?;
            connection.synchronous = Some(synchronous);
        }
        *slot = Some(connection);
        Ok(WritePermit {
            slot,
            in_transaction: false,
        })
    }

    async fn connect(&self) -> Result<Connection, SqliteStoreError> {
        let mut sqlite = self.pool.acquire().await?.detach();
        let limit = self.busy_timeout.as_millis().min(i32::MAX as u128);
        let pragma = format!("PRAGMA busy_timeout = {limit}");
        sqlx::query(sqlx::AssertSqlSafe(pragma))
            .execute(&mut sqlite)
            .await?;
        Ok(Connection {
            sqlite,
            synchronous: None,
            data_version: None,
        })
    }
}

/// The turn to write.
#[derive(Debug)]
pub(crate) struct WritePermit<'a> {
    slot: MutexGuard<'a, Option<Connection>>,
    in_transaction: bool,
}

impl WritePermit<'_> {
    /// Runs one statement to its end and gives the rows that it returned.
    ///
    /// `fetch_all` and nothing shorter: SQLite returns the rows of `UPDATE … RETURNING` first
    /// and commits after the last of them, and that can fail. A caller that stops at a row takes
    /// a write for done that SQLite then rolls back.
    pub(crate) async fn fetch(
        &mut self,
        statement: &SqlStr,
        values: &[Value<'_>],
    ) -> Result<Vec<SqliteRow>, SqliteStoreError> {
        let result = query(statement, values).fetch_all(self.sqlite()).await;
        self.settle(result)
    }

    /// Runs one statement to its end and says how many rows it changed.
    pub(crate) async fn execute(
        &mut self,
        statement: &SqlStr,
        values: &[Value<'_>],
    ) -> Result<u64, SqliteStoreError> {
        let result = query(statement, values).execute(self.sqlite()).await;
        let result = self.settle(result)?;
        Ok(result.rows_affected())
    }

    /// Runs the statements of a text, one after the other.
    pub(crate) async fn run(&mut self, statements: SqlStr) -> Result<(), SqliteStoreError> {
        let result = sqlx::raw_sql(statements).execute(self.sqlite()).await;
        self.settle(result)?;
        Ok(())
    }

    /// Begins a transaction, with the write lock taken at once: taken later, it could fail.
    pub(crate) async fn begin(&mut self) -> Result<(), SqliteStoreError> {
        self.in_transaction = true;
        let result = sqlx::query("BEGIN IMMEDIATE").execute(self.sqlite()).await;
        self.settle(result)?;
        Ok(())
    }

    /// Ends the transaction. Without it, dropping the turn rolls everything back.
    pub(crate) async fn commit(mut self) -> Result<(), SqliteStoreError> {
        let result = sqlx::query("COMMIT").execute(self.sqlite()).await;
        self.settle(result)?;
        self.in_transaction = false;
        Ok(())
    }

    fn sqlite(&mut self) -> &mut SqliteConnection {
        let connection = self.slot.as_mut();
        &mut connection.expect("an error ends the turn").sqlite
    }

    /// After an error nobody knows whether SQLite rolled a transaction back by itself or
    /// waits for it, so the connection is closed, which does it in any case.
    fn settle<T>(&mut self, result: Result<T, sqlx::Error>) -> Result<T, SqliteStoreError> {
        result.map_err(|error| {
            *self.slot = None;
            error.into()
        })
    }
}

impl Drop for WritePermit<'_> {
    /// A call that was cut off inside a transaction closes the connection, which rolls the
    /// transaction back.
    fn drop(&mut self) {
        if self.in_transaction {
            *self.slot = None;
        }
    }
}
