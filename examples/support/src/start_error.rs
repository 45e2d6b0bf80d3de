//! Why a server does not start.

use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;

use hallpass::keys::{KeySource, KeysError};
use hallpass::schedule::ScheduleError;
use hallpass::{
    ConfigError, InvalidValue, ManagerError, OpenStoreError, OriginError, PolicyError, StoreError,
    StoreUrlError,
};
use thiserror::Error;

use crate::account::AccountError;
#[cfg(feature = "tls")]
use crate::tls::TlsError;
use crate::users::UsersError;

/// Why a server does not start, in a sentence that says what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// A user is malformed.
    #[error("--user: {0}")]
    Account(#[from] AccountError),
    /// A setting of the routes is out of its range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Another recorder is installed already.
    #[cfg(feature = "metrics")]
    #[error(transparent)]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    /// The origin cannot be an issuer or audience.
    #[error("--origin: {0}")]
    Name(#[from] InvalidValue),
    /// The key file cannot be used.
    #[error("--keys {place}: {error}")]
    Keys {
        /// The file or the variable.
        place: KeySource,
        /// What is wrong with the keys.
        error: KeysError,
    },
    /// The server cannot listen on its address.
    #[error("cannot listen on {address}: {source}; name another with --listen")]
    Listen {
        /// The address.
        address: String,
        /// The operating system's error.
        source: io::Error,
    },
    /// The manager cannot be built.
    #[error(transparent)]
    Manager(#[from] ManagerError),
    /// The listen address cannot be an origin.
    #[error("the listen address cannot be an origin: {0}; name the origin with --origin")]
    Origin(#[from] OriginError),
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenStoreError),
    /// A lifetime is out of its range.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// Keys would be replaced too often.
    #[error("--rotate-every: {0}")]
    Rotation(ScheduleError),
    /// The server stopped.
    #[error("the server stopped: {0}")]
    Serve(io::Error),
    /// The ended sessions cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store's URL cannot be used.
    #[error("--store: {0}")]
    StoreUrl(#[from] StoreUrlError),
    /// There is no certificate to serve.
    #[cfg(feature = "tls")]
    #[error("--tls: {0}")]
    Tls(#[from] TlsError),
    /// The users cannot be read or written.
    #[error(transparent)]
    Users(#[from] UsersError),
}

impl StartError {
    /// 2 if the flags or the key file are wrong, else 1.
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

    /// Prints the error on standard error.
    pub fn report(&self) -> ExitCode {
        // If standard error is closed, only the exit code is left.
        let _ = writeln!(io::stderr(), "error: {}", Chain(self));
        self.exit_code()
    }
}

/// An error with its causes, without those that its sentence repeats.
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
