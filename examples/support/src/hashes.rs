//! Where the hashes of passwords are kept: with the sessions.

#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod sql;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use hallpass::{StoreUrl, Subject};
use thiserror::Error;

#[cfg(feature = "redis")]
use self::redis::RedisHashes;
#[cfg(feature = "postgres")]
use self::sql::PostgresHashes;
#[cfg(feature = "sqlite")]
use self::sql::SqliteHashes;

/// The hash of each user's password. Cheap to clone.
#[derive(Clone)]
pub(crate) enum Hashes {
    Memory(Arc<Mutex<HashMap<Subject, String>>>),
    #[cfg(feature = "postgres")]
    Postgres(PostgresHashes),
    #[cfg(feature = "redis")]
    Redis(RedisHashes),
    #[cfg(feature = "sqlite")]
    Sqlite(SqliteHashes),
}

impl Hashes {
    /// Opens the hashes beside the sessions in a store, which is open.
    pub(crate) async fn open(store: &StoreUrl) -> Result<Self, HashesError> {
        Ok(match store {
            StoreUrl::Memory => Self::Memory(Arc::default()),
            #[cfg(feature = "postgres")]
            StoreUrl::Postgres(url) => Self::Postgres(PostgresHashes::connect(url).await?),
            #[cfg(feature = "redis")]
            StoreUrl::Redis(url) => Self::Redis(RedisHashes::connect(url).await?),
            #[cfg(feature = "sqlite")]
            StoreUrl::Sqlite(file) => Self::Sqlite(SqliteHashes::open(file).await?),
            _ => return Err(HashesError::NotBuilt),
        })
    }

    pub(crate) async fn get(&self, subject: &Subject) -> Result<Option<String>, HashesError> {
        match self {
            Self::Memory(hashes) => Ok(lock(hashes).get(subject).cloned()),
            #[cfg(feature = "postgres")]
            Self::Postgres(hashes) => Ok(hashes.get(subject).await?),
            #[cfg(feature = "redis")]
            Self::Redis(hashes) => Ok(hashes.get(subject).await?),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(hashes) => Ok(hashes.get(subject).await?),
        }
    }

    /// Inserts a hash unless the user has one: another process may have been faster.
    pub(crate) async fn insert(&self, subject: &Subject, hash: String) -> Result<(), HashesError> {
        match self {
            Self::Memory(hashes) => {
                lock(hashes).entry(subject.clone()).or_insert(hash);
                Ok(())
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(hashes) => Ok(hashes.insert(subject, hash).await?),
            #[cfg(feature = "redis")]
            Self::Redis(hashes) => Ok(hashes.insert(subject, hash).await?),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(hashes) => Ok(hashes.insert(subject, hash).await?),
        }
    }

    /// Replaces a hash if it is still the one that a password was checked against. `false` if it is another
    /// one: then another request has changed the password, and this one has proven nothing.
    pub(crate) async fn replace(
        &self,
        subject: &Subject,
        from: &str,
        to: String,
    ) -> Result<bool, HashesError> {
        match self {
            Self::Memory(hashes) => {
                let mut hashes = lock(hashes);
                let stored = hashes.get_mut(subject).filter(|stored| **stored == from);
                Ok(stored.map(|stored| *stored = to).is_some())
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(hashes) => Ok(hashes.replace(subject, from, to).await?),
            #[cfg(feature = "redis")]
            Self::Redis(hashes) => Ok(hashes.replace(subject, from, to).await?),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(hashes) => Ok(hashes.replace(subject, from, to).await?),
        }
    }
}

/// No code panics while it holds the lock, so what it guards is whole.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Hashes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hashes")
    }
}

/// The hashes cannot be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HashesError {
    /// The library has that store, and the demo does not.
    #[error("this server was built without users in that store")]
    NotBuilt,
    /// Redis says so.
    #[cfg(feature = "redis")]
    #[error("the users cannot be read or written: {0}")]
    Redis(#[from] ::redis::RedisError),
    /// The database says so.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    #[error("the users cannot be read or written: {0}")]
    Sql(#[from] sqlx::Error),
}
