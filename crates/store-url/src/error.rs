//! Why a store cannot be used.

use thiserror::Error;

/// A URL that cannot be used. The message does not repeat it, since it may have a password in it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StoreUrlError {
    /// There is text after `memory:`, or too little after another scheme.
    #[error(
        "write `memory:`, `sqlite:FILE`, `postgres://USER:PASSWORD@HOST:PORT/DATABASE` or \
         `redis://USER:PASSWORD@HOST:PORT/NUMBER`"
    )]
    Form,
    /// A store that this program was built without; the feature that brings it.
    #[error("this program was built without that store: build it with `--features {0}`")]
    NotBuilt(&'static str),
    /// The URL is not one of PostgreSQL.
    #[error("this is not the URL of a PostgreSQL database: {0}")]
    Postgres(String),
    /// The URL is not one of Redis.
    #[error("this is not the URL of a Redis: {0}")]
    Redis(String),
    /// The scheme is unknown.
    #[error(
        "there is no such store; write `memory:`, `sqlite:FILE`, `postgres://…` or `redis://…`"
    )]
    Scheme,
}

/// The store that a URL names cannot be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenStoreError {
    /// PostgreSQL cannot be used.
    #[cfg(feature = "postgres")]
    #[error(transparent)]
    Postgres(#[from] store_sql::postgres::PostgresStoreError),
    /// Redis cannot be used.
    #[cfg(feature = "redis")]
    #[error(transparent)]
    Redis(#[from] store_redis::RedisStoreError),
    /// The file cannot be used.
    #[cfg(feature = "sqlite")]
    #[error(transparent)]
    Sqlite(#[from] store_sql::sqlite::SqliteStoreError),
}
