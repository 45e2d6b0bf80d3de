//! Locks of the operating system, on files beside the one that they protect.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::StoreError;

/// The right to renew.
#[derive(Debug, Default)]
pub(crate) struct RenewalLock {
    /// The operating system releases the lock when this is closed, also if the process is killed.
    _file: Option<File>,
}

impl From<File> for RenewalLock {
    fn from(file: File) -> Self {
        Self { _file: Some(file) }
    }
}

/// Locks a file of its own, which is created if it is missing and never deleted: a process that waits has it open.
///
/// `None` if another process or another client has it. The lock goes when the file is closed, by
/// whatever ends the process.
pub(super) fn try_lock(path: &Path) -> Result<Option<File>, StoreError> {
    let failed = |source| StoreError::File {
        doing: "lock",
        path: path.to_owned(),
        source,
    };
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Waits for a lock that everybody holds for milliseconds.
///
/// # Errors
/// [`StoreError::Locked`] after two seconds: the holder hangs, and nobody may hang with it.
pub(super) fn lock(path: &Path) -> Result<File, StoreError> {
    let start = Instant::now();
    loop {
        if let Some(file) = try_lock(path)? {
            return Ok(file);
        }
        if start.elapsed() > MOST {
            let path = path.to_owned();
            return Err(StoreError::Locked { path });
        }
        thread::sleep(Duration::from_millis(fastrand::u64(1..10)));
    }
}

/// A file beside this one.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

const MOST: Duration = Duration::from_secs(2);
