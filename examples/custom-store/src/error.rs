//! Why a call to the store failed.

use hallpass::store::InvalidValue;
use thiserror::Error;
use tokio::task::JoinError;

/// Why a call to the store failed. The log gets all of it, a client nothing.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RedbStoreError {
    /// The transaction failed, and nothing was written.
    #[error("redb: {0}")]
    Database(#[from] redb::Error),
    /// Another program wrote the file, or another version of this one.
    #[error("a session cannot be read or written: {0}")]
    Row(#[from] serde_json::Error),
    /// A time that is out of range.
    #[error(transparent)]
    Time(#[from] InvalidValue),
    /// The runtime is shutting down.
    #[error("the call was interrupted: {0}")]
    Interrupted(#[from] JoinError),
}

/// redb has an error type for each step; one is enough here.
macro_rules! from_redb {
    ($($step:ident)*) => {$(
        impl From<redb::$step> for RedbStoreError {
            fn from(error: redb::$step) -> Self {
                Self::Database(error.into())
            }
        }
    )*};
}
from_redb! { CommitError DatabaseError StorageError TableError TransactionError }

pub(crate) type Result<T> = std::result::Result<T, RedbStoreError>;
