//! Tokens in a file that several processes share.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::locked::{Locks, beside};
use super::{RenewalLock, StoreError, Written};
use crate::machine::Record;

/// A file with the record as JSON, which only its owner can read.
///
/// It is replaced as a whole, so a reader needs no lock.
#[derive(Debug)]
pub(crate) struct FileStore {
    path: PathBuf,
    draft: PathBuf,
    locks: Locks,
}

impl FileStore {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            draft: beside(&path, ".new"),
            locks: Locks::beside(&path),
            path,
        }
    }

    pub(super) fn load(&self) -> Result<Option<Record>, StoreError> {
        match fs::read(&self.path).map(Zeroizing::new) {
            Ok(text) => Ok(Record::read(&text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", &self.path)(error)),
        }
    }

    pub(super) fn update(
        &self,
        change: impl FnOnce(Option<&Record>) -> Option<Record>,
    ) -> Result<Written, StoreError> {
        self.locks
            .update(|| self.load(), change, |next| self.replace(next))
    }

    pub(super) fn try_lock(&self) -> Result<Option<RenewalLock>, StoreError> {
        self.locks.try_lock_renewal()
    }

    /// Puts a whole new file in the place of the old one. Whatever happens, one of both is there.
    fn replace(&self, record: &Record) -> Result<(), StoreError> {
        let text = record.to_json();
        let draft = &self.draft;
        // What a process left here that was killed may be open to others.
        match fs::remove_file(draft) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(failed("remove", draft)(error));
            }
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(draft).map_err(failed("create", draft))?;
        // Before the rename: after a power cut a name must not lead to an empty file, since the older token is spent.
        file.write_all(&text)
            .and_then(|()| file.sync_all())
            .map_err(failed("write", draft))?;
        drop(file);
        fs::rename(draft, &self.path).map_err(failed("replace", &self.path))?;
        self.sync_folder()
    }

    /// Makes the new name durable. Other systems than Unix do not open folders.
    #[cfg_attr(not(unix), expect(clippy::unnecessary_wraps, clippy::unused_self))]
    fn sync_folder(&self) -> Result<(), StoreError> {
        #[cfg(unix)]
        {
            let folder = self.locks.folder();
            let done = File::open(folder).and_then(|folder| folder.sync_all());
            done.map_err(failed("write", folder))?;
        }
        Ok(())
    }
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::File {
        doing,
        path,
        source,
    }
}
