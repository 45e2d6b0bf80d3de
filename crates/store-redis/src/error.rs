//! What can go wrong, by what an operator can do about it.

use redis::{ErrorKind, RedisError, ServerErrorKind};
use thiserror::Error;

use crate::row::RowFault;

/// Why the store could not be opened, or could not answer. No variant holds a secret: neither
/// the URL, which may have a password in it, nor what is stored.
///
/// After an error of a call it is unknown whether Redis did what it was asked, unless Redis was not reached
/// or has refused it; every call may be repeated.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RedisStoreError {
    /// The text is not the address of a server.
    #[error(
        "this is not the address of a Redis; write redis://[[user]:password@]host[:port][/database], or rediss:// for TLS, which needs the feature `tls`"
    )]
    Address(#[source] RedisError),
    /// The server does not take the user and the password.
    #[error("Redis refuses the login; correct the user and the password in the URL")]
    Authentication(#[source] RedisError),
    /// The server is one of a Cluster, and was opened as if it were alone.
    #[error("this Redis is a node of a Cluster; open the store with `RedisStore::cluster`")]
    ClusterNode,
    /// No connection was made, or it broke.
    #[error("Redis cannot be reached; see that it runs, and that the URL has its host and port")]
    Connection(#[source] RedisError),
    /// A row was written by another program, by hand, or by a later version of this crate.
    #[error(
        "the key `{key}` is not a session as this version writes it: {fault}; delete the key to end that session"
    )]
    Corrupt {
        /// The key.
        key: String,
        /// What is wrong with it.
        fault: RowFault,
    },
    /// Redis was emptied, or its data replaced, while this node ran. The store has been opened again,
    /// and the same call may be made again.
    #[error("Redis was emptied, or its data replaced, while this node ran; log in again")]
    Emptied,
    /// Sessions are on their way to another master of the Cluster: try again.
    #[error("sessions are on their way to another master of the Cluster, and cannot be used yet")]
    Moving(#[source] RedisError),
    /// Redis would throw live sessions and revocations away when its memory is full.
    #[error(
        "Redis evicts keys when its memory is full (maxmemory-policy is `{policy}`), and with them sessions and revocations; set `maxmemory-policy noeviction`, or use another Redis than the one of the cache"
    )]
    Evicts {
        /// The policy that is set.
        policy: String,
    },
    /// Neither `INFO memory` nor `CONFIG GET` may be asked whether Redis evicts keys.
    #[error(
        "it cannot be seen whether Redis evicts keys; allow `INFO`, or see to it that maxmemory-policy is noeviction and say so with `danger_assume_noeviction`"
    )]
    EvictionUnknown(#[source] RedisError),
    /// Redis reported something else.
    #[error("Redis reported an error")]
    Failed(#[source] RedisError),
    /// Redis is full, and evicts nothing, as it should. Refreshes and logouts fail as well.
    #[error("the memory of Redis is full; give it more (`maxmemory`)")]
    Full(#[source] RedisError),
    /// The server is alone, and was opened as if it were one of a Cluster.
    #[error("this Redis is no node of a Cluster; open the store with `RedisStore::connect`")]
    NoCluster(#[source] RedisError),
    /// The user of the URL may not do what is needed.
    #[error(
        "the Redis user may not do this; allow it the commands, keys and channels in the documentation of store-redis"
    )]
    Permission(#[source] RedisError),
    /// The prefix of keys has a brace, a control character, or more than 32 bytes.
    #[error("the prefix of keys must be at most 32 visible ASCII characters without braces")]
    Prefix,
    /// The server is a replica.
    #[error("this Redis is a replica and takes no writes; name the master, or use Sentinel")]
    ReadOnly(#[source] RedisError),
    /// Redis answered something that the scripts never answer.
    #[error("the answer of script `{script}` is not of its form; is there a proxy between?")]
    Reply {
        /// The script.
        script: &'static str,
    },
    /// The key behind the buckets was changed, or is gone while sessions are there. Without the old one sessions are found by
    /// their id, and no longer by their subject.
    #[error(
        "the key `{key}` does not hold the 32 bytes that this store once wrote there; bring it back from a backup, or delete all keys of the prefix"
    )]
    Secret {
        /// The key.
        key: String,
    },
    /// The server is too old.
    #[error("Redis {found} is too old; this store needs 6.2 or later, or Valkey")]
    ServerVersion {
        /// The version that it reports.
        found: String,
    },
    /// No answer came in time.
    #[error("Redis gave no answer in time")]
    Timeout(#[source] RedisError),
    /// Another program uses a key of this name for something else.
    #[error(
        "the key `{key}` is of type `{found}`, not `{expected}`; another program uses it: choose another prefix, or delete the key"
    )]
    WrongType {
        /// The key.
        key: String,
        /// The type that it must have.
        expected: &'static str,
        /// The type that it has.
        found: String,
    },
}

impl RedisStoreError {
    /// Whether the script has certainly changed nothing: the server was not reached, or has refused to run it
    /// or to let it write.
    pub(crate) fn wrote_nothing(&self) -> bool {
        match self {
            Self::Address(_) | Self::Authentication(_) | Self::Full(_) | Self::ReadOnly(_) => true,
            Self::Connection(error) => {
                error.is_connection_refusal()
                    || matches!(
                        error.kind(),
                        ErrorKind::MasterNameNotFoundBySentinel
                            | ErrorKind::Server(
                                ServerErrorKind::BusyLoading
                                    | ServerErrorKind::ClusterDown
                                    | ServerErrorKind::MasterDown,
                            )
                    )
            }
            // One that came to a key which is elsewhere may have written others.
            Self::Moving(error) => {
                error.kind() != ErrorKind::Server(ServerErrorKind::ResponseError)
            }
            Self::Failed(error) => {
                matches!(error.code(), Some("BUSY" | "MISCONF" | "NOREPLICAS"))
            }
            // Also for want of a permission: a script publishes after its writes, which stay if it may not.
            _ => false,
        }
    }
}

impl From<RedisError> for RedisStoreError {
    fn from(error: RedisError) -> Self {
        let code = error.code().unwrap_or_default();
        match error.kind() {
            ErrorKind::InvalidClientConfig | ErrorKind::EmptySentinelList => Self::Address(error),
            ErrorKind::AuthenticationFailed => Self::Authentication(error),
            ErrorKind::Server(ServerErrorKind::ReadOnly) => Self::ReadOnly(error),
            ErrorKind::Server(ServerErrorKind::NoPerm) => Self::Permission(error),
            _ if error.is_timeout() => Self::Timeout(error),
            ErrorKind::Io
            | ErrorKind::Parse
            | ErrorKind::ClusterConnectionNotFound
            | ErrorKind::MasterNameNotFoundBySentinel
            | ErrorKind::Server(
                ServerErrorKind::BusyLoading
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown,
            ) => Self::Connection(error),
            _ if is_moving(&error) => Self::Moving(error),
            _ if matches!(code, "NOAUTH" | "WRONGPASS") => Self::Authentication(error),
            _ if error.to_string().contains("DB index is out of range") => Self::Address(error),
            _ if error.to_string().contains("cluster support disabled") => Self::NoCluster(error),
            _ if code == "OOM" => Self::Full(error),
            _ => Self::Failed(error),
        }
    }
}

/// Whether a slot is on its way to another master, and with it a key that was needed.
fn is_moving(error: &RedisError) -> bool {
    use ServerErrorKind::{Ask, Moved, TryAgain};
    // The error of a script that came to a key which it did not name has no code of its own.
    matches!(error.kind(), ErrorKind::Server(Ask | Moved | TryAgain))
        || error.to_string().contains("non local key")
}

/// Whether a script or a command met a key of another type.
pub(crate) fn is_wrong_type(error: &RedisError) -> bool {
    // Before version 7 a script wraps the error of its command.
    error.code() == Some("WRONGTYPE") || error.to_string().contains("WRONGTYPE")
}
