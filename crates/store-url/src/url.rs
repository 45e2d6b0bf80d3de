//! Which store a URL names.

use std::fmt;
#[cfg(feature = "sqlite")]
use std::path::PathBuf;
use std::str::FromStr;

use token_session::{AnyStore, MemoryStore};
#[cfg(any(feature = "postgres", feature = "redis"))]
use zeroize::Zeroizing;

use crate::error::{OpenStoreError, StoreUrlError};

/// How many sessions the memory store has room for; each takes about 1 KB.
const MEMORY_CAPACITY: usize = 100_000;

/// The session store that a URL names. It has a variant for each store that the program was built with.
///
/// `memory:`, `sqlite:FILE`, `postgres://USER:PASSWORD@HOST:PORT/DATABASE` or `redis://USER:PASSWORD@HOST:PORT/NUMBER`;
/// `postgresql`, `rediss`, `valkey` and `valkeys` are schemes too, and `unix` for the socket of a Redis.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreUrl {
    /// In this process, until it ends. It has room for 100,000 sessions.
    Memory,
    /// In a PostgreSQL database, by its URL, which may have a password in it.
    #[cfg(feature = "postgres")]
    Postgres(Zeroizing<String>),
    /// In a Redis or Valkey, by its URL, which may have a password in it.
    #[cfg(feature = "redis")]
    Redis(Zeroizing<String>),
    /// In a file.
    #[cfg(feature = "sqlite")]
    Sqlite(PathBuf),
}

impl StoreUrl {
    /// Opens the store, and makes its tables if there are none.
    ///
    /// # Errors
    /// What the store says.
    #[cfg_attr(
        not(any(feature = "postgres", feature = "redis", feature = "sqlite")),
        expect(clippy::unused_async, reason = "the memory is there at once")
    )]
    pub async fn open(&self) -> Result<AnyStore, OpenStoreError> {
        Ok(match self {
            Self::Memory => MemoryStore::with_capacity(MEMORY_CAPACITY).into(),
            #[cfg(feature = "postgres")]
            Self::Postgres(url) => store_sql::postgres::PostgresStore::connect(url)
                .await?
                .into(),
            #[cfg(feature = "redis")]
            Self::Redis(url) => store_redis::RedisStore::connect(url).await?.into(),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(file) => store_sql::sqlite::SqliteStore::open(file).await?.into(),
        })
    }
}

impl FromStr for StoreUrl {
    type Err = StoreUrlError;

    fn from_str(text: &str) -> Result<Self, StoreUrlError> {
        match text.split_once(':') {
            Some(("memory", "")) => Ok(Self::Memory),
            Some(("sqlite", file)) if !file.trim_start_matches("//").is_empty() => sqlite(file),
            // The host may be the folder of a socket: `postgres:///app?host=/run/postgresql`.
            Some(("postgres" | "postgresql", rest)) if has_host(rest) || rest.contains("host=") => {
                postgres(text)
            }
            Some(("redis" | "rediss" | "valkey" | "valkeys", rest)) if has_host(rest) => {
                redis(text)
            }
            Some(("unix" | "redis+unix" | "valkey+unix", socket)) if socket.starts_with("///") => {
                redis(text)
            }
            Some((
                "memory" | "postgres" | "postgresql" | "redis" | "redis+unix" | "rediss" | "sqlite"
                | "unix" | "valkey" | "valkey+unix" | "valkeys",
                _,
            )) => Err(StoreUrlError::Form),
            _ => Err(StoreUrlError::Scheme),
        }
    }
}

#[cfg(feature = "sqlite")]
#[expect(
    clippy::unnecessary_wraps,
    reason = "without the feature it is an error"
)]
fn sqlite(file: &str) -> Result<StoreUrl, StoreUrlError> {
    let file = file.strip_prefix("//").unwrap_or(file);
    Ok(StoreUrl::Sqlite(file.into()))
}

#[cfg(not(feature = "sqlite"))]
fn sqlite(_: &str) -> Result<StoreUrl, StoreUrlError> {
    Err(StoreUrlError::NotBuilt("sqlite"))
}

#[cfg(feature = "postgres")]
fn postgres(url: &str) -> Result<StoreUrl, StoreUrlError> {
    let error = |error: sqlx::Error| StoreUrlError::Postgres(error.to_string());
    sqlx::postgres::PgConnectOptions::from_str(url).map_err(error)?;
    Ok(StoreUrl::Postgres(url.to_owned().into()))
}

#[cfg(not(feature = "postgres"))]
fn postgres(_: &str) -> Result<StoreUrl, StoreUrlError> {
    Err(StoreUrlError::NotBuilt("postgres"))
}

#[cfg(feature = "redis")]
fn redis(url: &str) -> Result<StoreUrl, StoreUrlError> {
    let error = |error: redis::RedisError| StoreUrlError::Redis(error.to_string());
    redis::Client::open(url).map_err(error)?;
    Ok(StoreUrl::Redis(url.to_owned().into()))
}

#[cfg(not(feature = "redis"))]
fn redis(_: &str) -> Result<StoreUrl, StoreUrlError> {
    Err(StoreUrlError::NotBuilt("redis"))
}

/// Whether there is a host after the two slashes.
fn has_host(rest: &str) -> bool {
    rest.strip_prefix("//")
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("Memory"),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => f.write_str("Postgres([redacted])"),
            #[cfg(feature = "redis")]
            Self::Redis(_) => f.write_str("Redis([redacted])"),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(file) => f.debug_tuple("Sqlite").field(file).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(not(any(feature = "postgres", feature = "redis", feature = "sqlite")))]
    fn a_store_that_was_not_built_names_its_feature() {
        for (text, feature) in [
            ("sqlite:a.db", "sqlite"),
            ("postgres://db/app", "postgres"),
            ("valkeys://db", "redis"),
        ] {
            let error = text.parse::<StoreUrl>().unwrap_err();
            assert_eq!(error, StoreUrlError::NotBuilt(feature), "{text}");
            assert!(error.to_string().contains(&format!("--features {feature}")));
        }
    }

    #[test]
    #[cfg(all(feature = "postgres", feature = "redis", feature = "sqlite"))]
    fn the_scheme_says_which_store() {
        let sqlite = |file: &str| Ok(StoreUrl::Sqlite(file.into()));
        let postgres = |url: &str| Ok(StoreUrl::Postgres(url.to_owned().into()));
        let redis = |url: &str| Ok(StoreUrl::Redis(url.to_owned().into()));
        for (text, expected) in [
            ("memory:", Ok(StoreUrl::Memory)),
            ("sqlite:a.db", sqlite("a.db")),
            ("sqlite:///tmp/a.db", sqlite("/tmp/a.db")),
            ("sqlite:/tmp/a:b.db", sqlite("/tmp/a:b.db")),
            ("postgres://db/app", postgres("postgres://db/app")),
            (
                "postgresql://u:p@db:1/a",
                postgres("postgresql://u:p@db:1/a"),
            ),
            ("redis://db", redis("redis://db")),
            ("redis://u:p@db:1/2", redis("redis://u:p@db:1/2")),
            ("valkey://db/", redis("valkey://db/")),
            (
                "postgres:///app?host=/run/postgresql",
                postgres("postgres:///app?host=/run/postgresql"),
            ),
            ("unix:///run/redis.sock", redis("unix:///run/redis.sock")),
            ("unix:", Err(StoreUrlError::Form)),
            ("sqlite:", Err(StoreUrlError::Form)),
            ("sqlite://", Err(StoreUrlError::Form)),
            ("memory:x", Err(StoreUrlError::Form)),
            ("postgres:db", Err(StoreUrlError::Form)),
            ("postgres://", Err(StoreUrlError::Form)),
            ("redis:///1", Err(StoreUrlError::Form)),
            ("mysql://localhost", Err(StoreUrlError::Scheme)),
            ("a.db", Err(StoreUrlError::Scheme)),
            ("", Err(StoreUrlError::Scheme)),
        ] {
            assert_eq!(text.parse(), expected, "{text}");
        }
    }

    #[test]
    #[cfg(all(feature = "postgres", feature = "redis"))]
    fn a_password_is_neither_shown_nor_repeated() {
        for text in [
            "postgres://u:hush@db:port/app",
            "postgres://u:hush@db/app?sslmode=perhaps",
            "redis://u:hush@db:port/",
            "redis://u:hush@db/first",
            "postgres:/u:hush@db",
            "mysql://u:hush@db/app",
        ] {
            let error = text.parse::<StoreUrl>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
        }
        for text in [
            "postgres://u:hush@db/app",
            "redis://u:hush@db/",
            "rediss://u:hush@db/",
        ] {
            let url: StoreUrl = text.parse().unwrap();
            assert!(!format!("{url:?}").contains("hush"));
        }
    }
}
