//! How a database is opened.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use token_core::PRODUCT;

use super::PostgresStoreError;
use super::lanes::Lanes;
use super::store::PostgresStore;

/// How nodes learn at once what other nodes have ended.
#[derive(Clone, Default)]
#[expect(
    clippy::exhaustive_enums,
    reason = "notices come the same way, another way, or not"
)]
pub enum Notices {
    /// `LISTEN` on a connection of its own, made like those of the pool.
    #[default]
    Listen,
    /// `LISTEN` on a connection of its own to this address. If the pool goes through PgBouncer in
    /// transaction mode, which loses notices, name the server itself.
    ListenOn(Box<PgConnectOptions>),
    /// Not at all: the driver reads the revocations each second.
    Poll,
}

impl fmt::Debug for Notices {
    /// An address may have a password in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Listen => "Listen",
            Self::ListenOn(_) => "ListenOn([redacted])",
            Self::Poll => "Poll",
        })
    }
}

impl PostgresStore {
    /// Uses the application's own pool, with the default [`PostgresStoreOptions`]. Makes its
    /// schema and tables, or brings them up to date.
    pub async fn new(pool: PgPool) -> Result<Self, PostgresStoreError> {
        PostgresStoreOptions::new().with_pool(pool).await
    }

    /// Connects to the database that a URL names, with the default [`PostgresStoreOptions`].
    pub async fn connect(url: &str) -> Result<Self, PostgresStoreError> {
        PostgresStoreOptions::new().connect(url).await
    }
}

/// Settings of a [`PostgresStore`].
///
/// ```no_run
/// use store_sql::postgres::PostgresStoreOptions;
///
/// # async fn open() -> Result<(), store_sql::PostgresStoreError> {
/// let store = PostgresStoreOptions::new()
///     .schema("sessions")
///     .connect("postgres://app@db.internal/app")
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct PostgresStoreOptions {
    schema: String,
    notices: Notices,
    connections: u32,
    acquire_timeout: Duration,
    statement_timeout: Duration,
}

impl PostgresStoreOptions {
    /// The defaults that each method names.
    pub fn new() -> Self {
        Self {
            schema: PRODUCT.to_owned(),
            notices: Notices::Listen,
            connections: 10,
            // Both below the manager's default store time-out of 5 seconds.
            acquire_timeout: Duration::from_secs(3),
            statement_timeout: Duration::from_secs(4),
        }
    }

    /// Default `hallpass`: the schema that holds the store's tables. Up to 40 of `a-z`, `0-9` and
    /// `_`, beginning with a letter.
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.schema = name.into();
        self
    }

    /// Default [`Notices::Listen`].
    pub fn notices(mut self, value: Notices) -> Self {
        self.notices = value;
        self
    }

    /// Default 10, at least 1: how many connections, besides the one that listens. Not for a
    /// pool of the application's own.
    pub const fn connections(mut self, value: u32) -> Self {
        self.connections = value;
        self
    }

    /// Default 3 seconds: how long a call waits for a connection. Not for a pool of the
    /// application's own.
    pub const fn acquire_timeout(mut self, value: Duration) -> Self {
        self.acquire_timeout = value;
        self
    }

    /// Default 4 seconds, to the millisecond: how long the server works on a statement, even
    /// if the client that asked is gone. Zero leaves it to the server's settings, as
    /// PgBouncer needs it. Not for a pool of the application's own.
    pub const fn statement_timeout(mut self, value: Duration) -> Self {
        self.statement_timeout = value;
        self
    }

    /// Connects to the database that a URL names.
    pub async fn connect(self, url: &str) -> Result<PostgresStore, PostgresStoreError> {
        let scheme = url.split_once("://").map(|(scheme, _)| scheme);
        if !matches!(scheme, Some("postgres" | "postgresql")) {
            let form = "write postgres://USER:PASSWORD@HOST:PORT/DATABASE";
            let error = sqlx::Error::Configuration(form.into());
            return Err(PostgresStoreError::Connect(error));
        }
        // The store has no floating-point numbers, and PgBouncer refuses a setting for them.
        let mut server = PgConnectOptions::from_str(url)?.extra_float_digits(None);
        if !self.statement_timeout.is_zero() {
            let limit = self.statement_timeout.as_millis().to_string();
            server = server.options([("statement_timeout", limit)]);
        }
        let pool = PgPoolOptions::new()
            .max_connections(self.connections.max(1))
            .acquire_timeout(self.acquire_timeout)
            .connect_lazy_with(server);
        self.start(Lanes::on_own(pool)).await
    }

    /// Uses the application's own pool; the [module](super) says what it must be like.
    pub async fn with_pool(self, pool: PgPool) -> Result<PostgresStore, PostgresStoreError> {
        self.start(Lanes::on_shared(pool)).await
    }

    async fn start(self, lanes: Lanes) -> Result<PostgresStore, PostgresStoreError> {
        let notices_from = match self.notices {
            Notices::Listen => Some((*lanes.pool().connect_options()).clone()),
            Notices::ListenOn(server) => Some(*server),
            Notices::Poll => None,
        };
        PostgresStore::start(lanes, &self.schema, notices_from).await
    }
}

impl Default for PostgresStoreOptions {
    fn default() -> Self {
        Self::new()
    }
}
