//! What can go wrong with a PostgreSQL server.

use std::error::Error;
use std::io::ErrorKind;

use thiserror::Error;
use token_core::SessionId;

use crate::row::Fault;

/// Why the store could not do what it was asked. Each variant names what the caller or the
/// operator can do; the driver's own error is the source.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PostgresStoreError {
    /// No connection could be made: a wrong URL, password or database, or no server there.
    #[error("no connection to the database; look at its address, user, password and name")]
    Connect(#[source] sqlx::Error),
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
    /// The server's disk is full. Make room.
    #[error("the server's disk is full; make room")]
    Full(#[source] sqlx::Error),
    /// Transactions run at another isolation level than the statements are made for.
    #[error(
        "transactions of this role or database are {found}; \
         set default_transaction_isolation to 'read committed' for it"
    )]
    Isolation {
        /// The level.
        found: String,
    },
    /// Statements of one connection came to several of the server: a pooler in transaction mode
    /// that does not know prepared statements.
    #[error(
        "a pooler between mixes up prepared statements; use PgBouncer 1.21 or newer with \
         max_prepared_statements above zero, or session mode"
    )]
    Pooler(#[source] sqlx::Error),
    /// The role lacks a right.
    #[error("the database role lacks a right that the store needs; grant it")]
    Privilege(#[source] sqlx::Error),
    /// The server is a standby, or transactions are read-only. Connect to the primary.
    #[error("the server takes no writes; connect to the primary")]
    ReadOnly(#[source] sqlx::Error),
    /// The name cannot be a schema's.
    #[error(
        "{name:?} is no name for the schema of the store; \
         use up to 40 of a-z, 0-9 and _, and begin with a letter"
    )]
    SchemaName {
        /// What was given.
        name: String,
    },
    /// What stands between refuses a setting with which connections start.
    #[error(
        "a pooler between refuses a setting of new connections; with PgBouncer, set the store's \
         statement_timeout to zero, and put extra_float_digits into ignore_startup_parameters if the pool \
         is your own"
    )]
    Startup(#[source] sqlx::Error),
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
        /// In the database.
        found: i64,
        /// The newest that this library knows.
        expected: i64,
    },
    /// The server refused a statement. The tables were changed by hand, or it is a fault of
    /// this library.
    #[error("the server refused a statement; were the tables of the schema changed by hand?")]
    Statement(#[source] sqlx::Error),
    /// A statement or the wait for a connection took too long. Try again.
    #[error("the server or the pool took too long; look at their load")]
    Timeout(#[source] sqlx::Error),
    /// The connection could not be encrypted as the URL asks: the server has no TLS, or its
    /// certificate does not hold, or this crate was built without its feature `tls`.
    #[error(
        "the connection could not be encrypted; look at sslmode and sslrootcert in the URL, at the \
         server's certificate, and whether the feature `tls` of store-sql is on"
    )]
    Tls(#[source] sqlx::Error),
    /// The connection was lost, or the server is starting, stopping or out of connections.
    /// Whether the statement was carried out is unknown. Try again.
    #[error("the connection to the server was lost, or it has none to give")]
    Unavailable(#[source] sqlx::Error),
}

impl PostgresStoreError {
    pub(crate) fn corrupt(table: &'static str) -> impl FnOnce(Fault) -> Self {
        move |fault| Self::CorruptRow {
            table,
            column: fault.column,
            session: fault.session,
            source: fault.source,
        }
    }
}

impl PostgresStoreError {
    /// Whether the statement has certainly changed nothing. Each call writes with one statement that commits
    /// by itself, so a statement that the server refused was undone; if the connection broke instead,
    /// nobody knows.
    pub(crate) fn wrote_nothing(&self) -> bool {
        match self {
            Self::Connect(_)
            | Self::Full(_)
            | Self::Pooler(_)
            | Self::Privilege(_)
            | Self::ReadOnly(_)
            | Self::Startup(_)
            | Self::Timeout(_)
            | Self::Tls(_)
            | Self::Unavailable(sqlx::Error::PoolClosed) => true,
            // statement_completion_unknown
            Self::Statement(sqlx::Error::Database(refused)) => {
                refused.code().as_deref() != Some("40003")
            }
            Self::Unavailable(sqlx::Error::Io(error)) => is_of_connecting(error.kind()),
            // Out of connections or memory; cannot_connect_now. A shutdown may come after a commit.
            Self::Unavailable(sqlx::Error::Database(refused)) => {
                let code = refused.code().unwrap_or_default();
                code.starts_with("53") || code == "57P03"
            }
            _ => false,
        }
    }
}

/// Whether only the attempt to connect fails so, before anything is sent. A connection that was established
/// may find out that the host cannot be reached when it waits for an answer.
fn is_of_connecting(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::AddrNotAvailable | ErrorKind::ConnectionRefused | ErrorKind::NotFound
    )
}

impl From<sqlx::Error> for PostgresStoreError {
    fn from(error: sqlx::Error) -> Self {
        let sqlx::Error::Database(database) = &error else {
            return match &error {
                sqlx::Error::Configuration(_) => Self::Connect(error),
                sqlx::Error::PoolTimedOut => Self::Timeout(error),
                sqlx::Error::Io(_) | sqlx::Error::PoolClosed | sqlx::Error::Protocol(_) => {
                    Self::Unavailable(error)
                }
                sqlx::Error::Tls(_) => Self::Tls(error),
                _ => Self::Statement(error),
            };
        };
        // https://www.postgresql.org/docs/current/errcodes-appendix.html
        match database.code().unwrap_or_default().as_ref() {
            "25006" => Self::ReadOnly(error),  // read_only_sql_transaction
            "42501" => Self::Privilege(error), // insufficient_privilege
            "53100" => Self::Full(error),      // disk_full
            // invalid_sql_statement_name, duplicate_prepared_statement
            "26000" | "42P05" => Self::Pooler(error),
            // lock_not_available, query_canceled, serialization_failure, deadlock_detected
            "55P03" | "57014" | "40001" | "40P01" => Self::Timeout(error),
            // Invalid authorization; no such database.
            code if code.starts_with("28") || code == "3D000" => Self::Connect(error),
            // Connection exceptions; too many connections, out of memory; shutdown, starting up.
            code if ["08", "53", "57"].contains(&code.get(..2).unwrap_or_default()) => {
                Self::Unavailable(error)
            }
            _ => Self::Statement(error),
        }
    }
}
