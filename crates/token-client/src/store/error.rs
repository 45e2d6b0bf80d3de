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
    /// The place has tokens of another server, which a login must not replace unseen. Log out there first, or keep the
    /// tokens of each server in a place of its own.
    #[error(
        "there are tokens of another server ({}) in this place; log out there or delete them, or keep these in another place", base.as_deref().unwrap_or("unknown")
    )]
    OtherServer {
        /// The address below which that server has its routes; `None` if it was not kept.
        base: Option<Box<str>>,
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
    /// The store has not answered for 10 s. A keyring that is locked does not until it is unlocked.
    #[error("the place of the tokens has not answered for 10 seconds; is the keyring locked?")]
    Slow,
}
