//! What can go wrong with an SQLite file.

use std::error::Error;

use thiserror::Error;
use token_core::SessionId;

use crate::row::Fault;

/// Why the store could not do what it was asked. Each variant names what the caller or the
/// operator can do; the driver's own error is the source.
///
/// After any of them but [`CorruptRow`](Self::CorruptRow) nothing was written, or, if the
/// call was cut off, all of it was.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SqliteStoreError {
    /// Another connection held the database for longer than the busy time-out. Try again;
    /// if it happens often, look for a long transaction on the same file.
    #[error("the database is locked by another connection; look for a long transaction on it")]
    Busy(#[source] sqlx::Error),
    /// The pool gave no connection in time, or was closed.
    #[error("the pool gave no connection; give it more, or a longer acquire time-out")]
    Connection(#[source] sqlx::Error),
    /// A value that this library did not write.
    #[error(
        "column {column} of table {table} holds a value that this library did not write{}; \
         restore it from a backup or delete the row",
        session.map(|id| format!(" (session {id})")).unwrap_or_default()
    )]
    CorruptRow {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The session; `None` if its id cannot be read or the table has none.
        session: Option<SessionId>,
        /// What is wrong with it.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The file is not an SQLite database, or is damaged. Restore it from a backup.
    #[error("the database file is damaged or is not one; restore it from a backup")]
    Damaged(#[source] sqlx::Error),
    /// The disk is full, or the database has reached its `max_page_count`. Make room.
    #[error("the disk or the database is full; make room")]
    Full(#[source] sqlx::Error),
    /// Reading or writing the file failed. Look at the disk and at the limits of the process.
    #[error("reading or writing the database file failed; look at the disk")]
    Io(#[source] sqlx::Error),
    /// The file cannot be opened. Look at its path, its folder and their permissions.
    #[error("the database file cannot be opened; look at its path and permissions")]
    Open(#[source] sqlx::Error),
    /// The file, its folder or the connection is read-only.
    #[error(
        "the database is read-only; give the process the right to write the file and its folder"
    )]
    ReadOnly(#[source] sqlx::Error),
    /// A write that failed together with others failed by itself as well. Whether the first attempt was
    /// carried out is unknown. Try again.
    #[error("a write failed together with others, and again by itself")]
    FailedAgain(#[source] Box<Self>),
    /// The tables are of a newer version than this library knows.
    #[error(
        "the session tables have version {found}, and this library knows {expected}; \
         run the version of the library that made them, or a newer one"
    )]
    SchemaVersion {
        /// In the file.
        found: i64,
        /// The newest that this library knows.
        expected: i64,
    },
    /// The database refused a statement. The tables were changed by hand, or it is a fault of
    /// this library.
    #[error("the database refused a statement; were the tables hallpass_… changed by hand?")]
    Statement(#[source] sqlx::Error),
}

impl SqliteStoreError {
    pub(crate) fn corrupt(table: &'static str) -> impl FnOnce(Fault) -> Self {
        move |fault| Self::CorruptRow {
            table,
            column: fault.column,
            session: fault.session,
            source: fault.source,
        }
    }
}

impl From<sqlx::Error> for SqliteStoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Configuration(_) => Self::Open(error),
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
                Self::Connection(error)
            }
            sqlx::Error::Io(_) => Self::Io(error),
            sqlx::Error::Database(database) => match primary_code(database.code().as_deref()) {
                // https://www.sqlite.org/rescode.html
                Some(5 | 6) => Self::Busy(error), // BUSY, LOCKED
                Some(8) => Self::ReadOnly(error), // READONLY
                Some(10) => Self::Io(error),      // IOERR
                Some(11 | 26) => Self::Damaged(error), // CORRUPT, NOTADB
                Some(13) => Self::Full(error),    // FULL
                Some(3 | 14 | 23) => Self::Open(error), // PERM, CANTOPEN, AUTH
                _ => Self::Statement(error),
            },
            _ => Self::Statement(error),
        }
    }
}

/// The low byte of an extended result code says what kind it is.
fn primary_code(code: Option<&str>) -> Option<u32> {
    Some(code?.parse::<u32>().ok()? & 0xff)
}
