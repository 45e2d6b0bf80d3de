//! Locks of the operating system, on files beside what they protect.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::{StoreError, Written};
use crate::machine::Record;

/// The right to renew.
#[derive(Debug, Default)]
pub(crate) struct RenewalLock {
    /// The operating system releases the lock when this is closed, also if the process is killed.
    _file: Option<File>,
}

/// The two locks of a store: `PATH.lock` while the record is replaced, and `PATH.renewal` while the token endpoint is
/// asked. They are two, since a logout must not wait for the answer to a renewal.
#[derive(Debug)]
pub(super) struct Locks {
    folder: PathBuf,
    replacing: PathBuf,
    renewal: PathBuf,
}

impl Locks {
    pub(super) fn beside(path: &Path) -> Self {
        let folder = path.parent().filter(|f| !f.as_os_str().is_empty());
        Self {
            folder: folder.unwrap_or(Path::new(".")).to_owned(),
            replacing: beside(path, ".lock"),
            renewal: beside(path, ".renewal"),
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Changes what is stored, while nobody else does: reads it, and replaces it if `change` gives another.
    ///
    /// # Errors
    /// Those of the three, and [`StoreError::Locked`].
    pub(super) fn update(
        &self,
        load: impl FnOnce() -> Result<Option<Record>, StoreError>,
        change: impl FnOnce(Option<&Record>) -> Option<Record>,
        replace: impl FnOnce(&Record) -> Result<(), StoreError>,
    ) -> Result<Written, StoreError> {
        let _lock = self.lock()?;
        let found = load()?;
        let next = change(found.as_ref());
        let won = next.is_some();
        if let Some(next) = &next {
            replace(next)?;
        }
        let record = next.or_else(|| found.clone());
        Ok(Written { found, record, won })
    }

    /// Waits for the lock that everybody holds for milliseconds.
    ///
    /// # Errors
    /// [`StoreError::Locked`] after two seconds: the holder hangs, and nobody may hang with it.
    fn lock(&self) -> Result<File, StoreError> {
        self.create_folder()?;
        let start = Instant::now();
        loop {
            if let Some(file) = try_lock(&self.replacing)? {
                return Ok(file);
            }
            if start.elapsed() > MOST {
                let path = self.replacing.clone();
                return Err(StoreError::Locked { path });
            }
            thread::sleep(Duration::from_millis(fastrand::u64(1..10)));
        }
    }

    /// The lock of a renewal, if nobody else has it.
    pub(super) fn try_lock_renewal(&self) -> Result<Option<RenewalLock>, StoreError> {
        self.create_folder()?;
        let file = try_lock(&self.renewal)?;
        Ok(file.map(|file| RenewalLock { _file: Some(file) }))
    }

    fn create_folder(&self) -> Result<(), StoreError> {
        let folder = &self.folder;
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder).map_err(|source| StoreError::File {
            doing: "create",
            path: folder.clone(),
            source,
        })
    }
}

/// Locks a file of its own, which is created if it is missing and never deleted: a process that waits has it open.
///
/// `None` if another process or another client has it. The lock goes when the file is closed, by
/// whatever ends the process.
fn try_lock(path: &Path) -> Result<Option<File>, StoreError> {
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

/// A file beside this one.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

const MOST: Duration = Duration::from_secs(2);
