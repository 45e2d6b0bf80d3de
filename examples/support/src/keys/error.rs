use std::io;
use std::path::PathBuf;

use thiserror::Error;
use token_core::Algorithm;
use token_core::error::RefreshKeyError;
use token_core::key::KeyError;
use token_core::ring::KeyRingError;

/// A key file that cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeysError {
    /// It signs with another algorithm than the flag says.
    #[error(
        "{} signs with {has}; leave out `--alg {wanted}`, or name another file with --keys",
        path.display()
    )]
    Algorithm {
        /// The file.
        path: PathBuf,
        /// What is in it.
        has: Algorithm,
        /// What the flag asks for.
        wanted: Algorithm,
    },
    /// Others than its owner may read or write it.
    #[error(
        "{path} is open to other users (mode {mode:o}); run `chmod 600 {path}`, and if one of them may have read it, delete it so that new keys are made",
        path = path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is not a key file.
    #[error(
        "{} is not a key file of this server; name another with --keys, or move it away so that a new one is made",
        path.display()
    )]
    Form {
        /// The file.
        path: PathBuf,
    },
    /// A key in it is not accepted.
    #[error("a key in {} is not accepted: {error}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        error: KeyError,
    },
    /// A key could not be made.
    #[error("a new key could not be made: {0}")]
    New(KeyError),
    /// It cannot be read.
    #[error(
        "{} cannot be read ({source}); make it readable for the user that runs this server, or name another with --keys",
        path.display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A refresh key in it is not accepted.
    #[error("a refresh key in {} is not accepted: {error}", path.display())]
    Refresh {
        /// The file.
        path: PathBuf,
        /// Why.
        error: RefreshKeyError,
    },
    /// Its keys do not go together.
    #[error("the keys in {} do not go together: {error}", path.display())]
    Ring {
        /// The file.
        path: PathBuf,
        /// Why.
        error: KeyRingError,
    },
    /// It cannot be written.
    #[error(
        "{} cannot be written ({source}); name a file in a folder that this server may write to with --keys",
        path.display()
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
