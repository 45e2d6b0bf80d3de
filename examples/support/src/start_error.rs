//! Why a server does not start.

use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;

use hallpass::schedule::RotationPolicyError;
use hallpass::{ConfigError, InvalidName, ManagerError, OriginError, PolicyError, StoreError};
use thiserror::Error;

use crate::account::AccountError;
use crate::keys::{KeySource, KeysError};
use crate::store_url::StoreUrlError;
use crate::users::UsersError;

/// Why a server does not start, in a sentence that says what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// A user that cannot be.
    #[error("--user: {0}")]
    Account(#[from] AccountError),
    /// A setting of the routes that cannot be.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Something takes the metrics already.
    #[cfg(feature = "metrics")]
    #[error(transparent)]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    /// The origin cannot be an issuer or audience.
    #[error("--origin: {0}")]
    Name(#[from] InvalidName),
    /// The key file cannot be used.
    #[error("{place}: {error}")]
    Keys {
        /// Where they are.
        place: KeySource,
        /// What is wrong with them.
        error: KeysError,
    },
    /// The port cannot be had.
    #[error("cannot listen on {address}: {source}; name another with --listen")]
    Listen {
        /// Where.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The manager cannot be built.
    #[error(transparent)]
    Manager(#[from] ManagerError),
    /// The listen address makes no origin.
    #[error("the listen address makes no origin; name it with --origin: {0}")]
    Origin(#[from] OriginError),
    /// A lifetime that cannot be.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The sessions in PostgreSQL cannot be read or written.
    #[cfg(feature = "postgres")]
    #[error(transparent)]
    Postgres(#[from] hallpass::PostgresStoreError),
    /// The sessions in Redis cannot be read or written.
    #[cfg(feature = "redis")]
    #[error(transparent)]
    Redis(#[from] hallpass::RedisStoreError),
    /// Keys would change too often.
    #[error("--rotate-every: {0}")]
    Rotation(#[from] RotationPolicyError),
    /// The server stopped.
    #[error("the server stopped: {0}")]
    Serve(io::Error),
    /// The sessions in the file cannot be read or written.
    #[cfg(feature = "sqlite")]
    #[error(transparent)]
    Sqlite(#[from] hallpass::SqliteStoreError),
    /// The ended sessions cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A store that cannot be.
    #[error("--store: {0}")]
    StoreUrl(#[from] StoreUrlError),
    /// The users cannot be read or written.
    #[error(transparent)]
    Users(#[from] UsersError),
}

impl StartError {
    /// 2 where the flags or the key file have to be put right, else 1.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Account(_)
            | Self::Config(_)
            | Self::Keys { .. }
            | Self::Manager(_)
            | Self::Name(_)
            | Self::Origin(_)
            | Self::Policy(_)
            | Self::Rotation(_)
            | Self::StoreUrl(_) => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }

    /// Tells it on standard error.
    pub fn report(&self) -> ExitCode {
        // Where nobody listens there either, the exit code has to do.
        let _ = writeln!(io::stderr(), "error: {}", Chain(self));
        self.exit_code()
    }
}

/// An error with its causes, but for those that its sentence has already.
struct Chain<'a>(&'a StartError);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let mut cause = std::error::Error::source(self.0);
        while let Some(error) = cause {
            let text = error.to_string();
            if !said.contains(&text) {
                write!(f, ": {text}")?;
                said = text;
            }
            cause = error.source();
        }
        Ok(())
    }
}
