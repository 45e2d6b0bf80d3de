//! Where sessions and users are kept, as a flag says it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use thiserror::Error;
use zeroize::Zeroizing;

/// Where sessions and users are kept.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a new store is a new choice")]
pub enum StoreUrl {
    /// In this process, until it ends.
    Memory,
    /// In a PostgreSQL database, by its URL, which may have a password in it.
    Postgres(Zeroizing<String>),
    /// In a Redis or Valkey, by its URL, which may have a password in it.
    Redis(Zeroizing<String>),
    /// In a file.
    Sqlite(PathBuf),
}

impl FromStr for StoreUrl {
    type Err = StoreUrlError;

    fn from_str(text: &str) -> Result<Self, StoreUrlError> {
        match text.split_once(':') {
            Some(("memory", "")) => Ok(Self::Memory),
            Some(("sqlite", file)) if !file.trim_start_matches("//").is_empty() => {
                Ok(Self::Sqlite(file.strip_prefix("//").unwrap_or(file).into()))
            }
            Some(("postgres" | "postgresql", rest)) if has_host(rest) => {
                let error = |error: sqlx::Error| StoreUrlError::Postgres(error.to_string());
                PgConnectOptions::from_str(text).map_err(error)?;
                Ok(Self::Postgres(text.to_owned().into()))
            }
            Some(("redis" | "rediss" | "valkey" | "valkeys", rest)) if has_host(rest) => {
                let error = |error: redis::RedisError| StoreUrlError::Redis(error.to_string());
                redis::Client::open(text).map_err(error)?;
                Ok(Self::Redis(text.to_owned().into()))
            }
            Some((
                "memory" | "postgres" | "postgresql" | "redis" | "rediss" | "sqlite" | "valkey"
                | "valkeys",
                _,
            )) => Err(StoreUrlError::Form),
            _ => Err(StoreUrlError::Scheme),
        }
    }
}

/// Whether something stands behind the two slashes.
fn has_host(rest: &str) -> bool {
    rest.strip_prefix("//")
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("Memory"),
            Self::Postgres(_) => f.write_str("Postgres([redacted])"),
            Self::Redis(_) => f.write_str("Redis([redacted])"),
            Self::Sqlite(file) => f.debug_tuple("Sqlite").field(file).finish(),
        }
    }
}

/// A store that cannot be. Does not repeat the text, which may have a password in it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StoreUrlError {
    /// Too much after `memory:`, or too little after another scheme.
    #[error(
        "write `memory:`, `sqlite:FILE`, `postgres://USER:PASSWORD@HOST:PORT/DATABASE` or \
         `redis://USER:PASSWORD@HOST:PORT/NUMBER`"
    )]
    Form,
    /// Not the address of a PostgreSQL.
    #[error("this is not the URL of a PostgreSQL database: {0}")]
    Postgres(String),
    /// Not the address of a Redis.
    #[error("this is not the URL of a Redis: {0}")]
    Redis(String),
    /// Another scheme.
    #[error(
        "this server has no such store; it has `memory:`, `sqlite:FILE`, `postgres://…` and \
         `redis://…`"
    )]
    Scheme,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_are_told_apart_by_their_scheme() {
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
    fn a_password_is_neither_shown_nor_repeated() {
        for text in [
            "postgres://u:hush@db:port/app",
            "postgres://u:hush@db/app?sslmode=perhaps",
            "redis://u:hush@db:port/",
            "redis://u:hush@db/first",
            "rediss://u:hush@db/",
            "postgres:/u:hush@db",
            "mysql://u:hush@db/app",
        ] {
            let error = text.parse::<StoreUrl>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
        }
        for text in ["postgres://u:hush@db/app", "redis://u:hush@db/"] {
            let url: StoreUrl = text.parse().unwrap();
            assert!(!format!("{url:?}").contains("hush"));
        }
    }
}
