//! Why the tokens cannot be kept.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// The store of the tokens cannot be used. The session has not ended.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file cannot be read or written. Correct its permissions, or make room on the disk.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// What was tried, such as `read`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The runtime was shut down before the store answered.
    #[error("the runtime was shut down before the tokens were stored")]
    Interrupted,
    /// The keyring of the system cannot be read or written. Unlock it, or look whether its service runs.
    #[cfg(feature = "keyring")]
    #[error("the keyring cannot be used; is it unlocked?")]
    Keyring(#[from] keyring::Error),
    /// Another process has kept the file locked for two seconds, which takes it milliseconds. Look whether it hangs.
    #[error("another process keeps {} locked; look whether it hangs", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
}
