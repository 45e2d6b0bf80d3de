//! Where sessions and users are kept, as the flag `--store` says.

use std::fmt;
#[cfg(feature = "sqlite")]
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;
#[cfg(any(feature = "postgres", feature = "redis"))]
use zeroize::Zeroizing;

/// Where sessions and users are kept: what this server was built with.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a new store is a new choice")]
pub enum StoreUrl {
    /// In this process, until it ends.
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

impl FromStr for StoreUrl {
    type Err = StoreUrlError;

    fn from_str(text: &str) -> Result<Self, StoreUrlError> {
        match text.split_once(':') {
            Some(("memory", "")) => Ok(Self::Memory),
            Some(("sqlite", file)) if !file.trim_start_matches("//").is_empty() => sqlite(file),
            Some(("postgres" | "postgresql", rest)) if has_host(rest) => postgres(text),
            Some(("redis" | "rediss" | "valkey" | "valkeys", rest)) if has_host(rest) => {
                redis(text)
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
    /// A store that this server was built without; the feature that brings it.
    #[error("this server was built without that store: build it with `--features {0}`")]
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
