//! Tokens in a file that several processes share.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{RenewalLock, StoreError, Written, locked};
use crate::machine::Record;

/// A file with the record as JSON, which only its owner can read.
///
/// It is replaced as a whole, so a reader needs no lock. `FILE.lock` is held while it is replaced and
/// `FILE.renewal` while the token endpoint is asked. They are two, since a logout must not wait for the answer
/// to a renewal.
#[derive(Debug)]
pub(crate) struct FileStore {
    path: PathBuf,
    draft: PathBuf,
    lock: PathBuf,
    renewal: PathBuf,
}

impl FileStore {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            draft: locked::beside(&path, ".new"),
            lock: locked::beside(&path, ".lock"),
            renewal: locked::beside(&path, ".renewal"),
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
        self.create_folder()?;
        let _lock = locked::lock(&self.lock)?;
        let found = self.load()?;
        let next = change(found.as_ref());
        let won = next.is_some();
        if let Some(next) = &next {
            self.replace(next)?;
        }
        let record = next.or_else(|| found.clone());
        Ok(Written { found, record, won })
    }

    pub(super) fn try_lock(&self) -> Result<Option<RenewalLock>, StoreError> {
        self.create_folder()?;
        Ok(locked::try_lock(&self.renewal)?.map(Into::into))
    }

    /// Puts a whole new file in the place of the old one. Whatever happens, one of both is there.
    fn replace(&self, record: &Record) -> Result<(), StoreError> {
        let text = serde_json::to_vec(record).map(Zeroizing::new);
        let text = text.expect("a record has texts, numbers and keys that are texts");
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

    fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }

    fn create_folder(&self) -> Result<(), StoreError> {
        let folder = self.folder();
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder).map_err(failed("create", folder))
    }

    /// Makes the new name durable. Other systems than Unix do not open folders.
    #[cfg_attr(not(unix), expect(clippy::unnecessary_wraps, clippy::unused_self))]
    fn sync_folder(&self) -> Result<(), StoreError> {
        #[cfg(unix)]
        {
            let folder = self.folder();
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
