//! Where keys are kept: a file that servers share, or an environment variable.

use std::fmt;
use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tempfile::NamedTempFile;
use token_core::keys::Recipients;
use token_core::{Algorithm, UnixTime};
use zeroize::Zeroizing;

use crate::error::KeysError;
use crate::keys::Keys;
use crate::others::algorithm_of;
use crate::rotations::Rotations;

/// Where keys are kept. From text: `env:NAME` is a variable, everything else a path. A
/// [`PathBuf`] is always a path.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySource {
    /// In the environment variable of that name, as the text of a key file.
    Env(Box<str>),
    /// In a file, which is made if there is none.
    File(PathBuf),
}

/// Identifies the contents of a file, to notice a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The file itself is replaced, which the time may not show.
    #[cfg(unix)]
    inode: u64,
    length: u64,
    modified: Option<SystemTime>,
}

impl KeySource {
    /// Whether keys can be changed there.
    pub(crate) const fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }

    /// Reads the keys. If there is no file, it makes keys and writes them first, readable by the owner
    /// alone. Two servers that start at the same time get the same keys. It reads and writes files: in a
    /// Tokio runtime call it at the start, or within `spawn_blocking`.
    ///
    /// `algorithm` is for new keys ([`Keys::DEFAULT_ALGORITHM`] if it is `None`): see
    /// [`sign_with`](Self::sign_with) for a file that signs with another one. With `rotations` those that will
    /// sign next are made at once too: leave them out if keys are never replaced on schedule.
    ///
    /// # Errors
    /// [`KeysError`] says what to do.
    pub fn open(
        &self,
        algorithm: Option<Algorithm>,
        rotations: Option<&Rotations>,
        now: UnixTime,
    ) -> Result<Keys, KeysError> {
        if let Self::File(path) = self
            && !path.try_exists().map_err(KeysError::Read)?
        {
            let mut keys = Keys::generate(algorithm, now)?;
            if let Some(rotations) = rotations {
                keys = keys.publish(rotations, now)?;
            }
            let text = keys.to_text(now)?;
            create(path, text.as_bytes()).map_err(KeysError::Write)?;
        }
        self.read(now)
    }

    /// Lets access tokens be signed with this algorithm: if the keys are for another one, adds keys that
    /// sign as soon as every verifier knows them. Refresh keys stay, so nobody is logged out.
    ///
    /// # Errors
    /// [`KeysError::Algorithm`] if that cannot be done, and what [`open`](Self::open) says.
    pub fn sign_with(
        &self,
        algorithm: Algorithm,
        keys: Keys,
        rotations: &Rotations,
        now: UnixTime,
    ) -> Result<Keys, KeysError> {
        if keys.algorithm() == algorithm {
            return Ok(keys);
        }
        if !self.is_file() || keys.algorithm().is_symmetric() != algorithm.is_symmetric() {
            return Err(KeysError::Algorithm {
                has: keys.algorithm(),
                wanted: algorithm,
            });
        }
        self.change(now, |keys| {
            // Another server may have done it meanwhile.
            if keys.algorithm() == algorithm {
                return Ok(keys);
            }
            keys.change_algorithm(algorithm, rotations, now)
        })
    }

    /// Lets access tokens for these clients and audiences be signed with this algorithm, for services that do not read
    /// that of the rest: adds keys to the file that sign for them as soon as every verifier knows them. If there are
    /// keys of that algorithm for others, they sign for these instead. Give it to every server that shares the file: one
    /// that is older than this function refuses the file.
    ///
    /// # Errors
    /// [`KeysError::Fixed`] for a variable, [`KeysError::Schedule`] if the keys do not go together or a recipient is
    /// named for two algorithms, and what [`open`](Self::open) says.
    pub fn sign_also_with(
        &self,
        algorithm: Algorithm,
        recipients: &Recipients,
        keys: Keys,
        rotations: &Rotations,
        now: UnixTime,
    ) -> Result<Keys, KeysError> {
        let mut others = keys.others.iter();
        let is_so = others.any(|other| {
            other.recipients == *recipients && algorithm_of(&other.access) == Some(algorithm)
        });
        if is_so {
            return Ok(keys);
        }
        self.change(now, |keys| {
            let keys = keys.change_others(algorithm, recipients.clone(), rotations, now)?;
            // What cannot be used is not written.
            drop(keys.rings(rotations, now)?);
            Ok(keys)
        })
    }

    /// Reads the keys as they are now.
    ///
    /// # Errors
    /// [`KeysError`] says what to do.
    pub fn read(&self, now: UnixTime) -> Result<Keys, KeysError> {
        let text = match self {
            Self::Env(name) => {
                Zeroizing::new(std::env::var(&**name).map_err(|_| KeysError::Unset)?)
            }
            Self::File(path) => read(path)?,
        };
        Keys::parse(&text, now)
    }

    /// A stamp that changes with the file; `None` for a variable, which does not change.
    pub(crate) fn stamp(&self) -> Option<Stamp> {
        let Self::File(path) = self else { return None };
        let metadata = path.metadata().ok()?;
        Some(Stamp {
            #[cfg(unix)]
            inode: std::os::unix::fs::MetadataExt::ino(&metadata),
            length: metadata.len(),
            modified: metadata.modified().ok(),
        })
    }

    /// Reads the keys, changes them, and writes them if they are still those that were read. If another server or an
    /// operator has replaced the file meanwhile, `change` gets the new keys.
    ///
    /// # Errors
    /// [`KeysError`]; then nothing was written.
    pub(crate) fn change(
        &self,
        now: UnixTime,
        change: impl Fn(Keys) -> Result<Keys, KeysError>,
    ) -> Result<Keys, KeysError> {
        let Self::File(named) = self else {
            return Err(KeysError::Fixed);
        };
        for _ in 0..ATTEMPTS {
            // Servers may reach the file by different links. They must find one lock, and the links must stay.
            let path = named.canonicalize().map_err(KeysError::Read)?;
            let before = read(&path)?;
            // Before keys are made, which is much work for nothing if none can be written.
            let mut draft = draft(&path).map_err(KeysError::Write)?;
            let lock = lock_file(&path).map_err(KeysError::Write)?;
            let keys = change(Keys::parse(&before, now)?)?;
            let text = keys.to_text(now)?;
            fill(&mut draft, text.as_bytes()).map_err(KeysError::Write)?;
            // Only now, since an RSA key takes seconds. It ends with the handle.
            hold(&lock)?;
            let still = named.canonicalize().map_err(KeysError::Read)? == path;
            // An operator who moves another file here takes no lock.
            if still && *read(&path)? == *before {
                let written = draft.persist(&path).map_err(|error| error.error);
                let durable = written.and_then(|_| sync(folder(&path)));
                durable.map_err(KeysError::Write)?;
                return Ok(keys);
            }
        }
        Err(KeysError::Changing)
    }
}

impl FromStr for KeySource {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(text.into())
    }
}

impl From<&str> for KeySource {
    fn from(text: &str) -> Self {
        match text.strip_prefix("env:") {
            Some(name) => Self::Env(name.into()),
            None => Self::File(text.into()),
        }
    }
}

impl From<PathBuf> for KeySource {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the variable {name}"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// How often a change begins again. Each time somebody else has changed the file, which then rarely needs another change.
const ATTEMPTS: usize = 100;

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// The file to lock, beside that of the keys, which is replaced as a whole. It is made if it is missing, and stays.
fn lock_file(path: &Path) -> io::Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&name)
}

/// Locks it until it is closed.
fn hold(file: &File) -> Result<(), KeysError> {
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(KeysError::Write(error)),
            // Everybody has it for milliseconds. A process that was stopped must not stop the others.
            Err(TryLockError::WouldBlock) if start.elapsed() < PATIENCE => {
                thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => return Err(KeysError::Locked),
        }
    }
}

/// How long another server may hold the lock.
const PATIENCE: Duration = Duration::from_secs(2);

/// Creates a file so that no reader sees a part of it. If it exists by now, it stays.
fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = target(path)?;
    let mut draft = draft(&path)?;
    fill(&mut draft, bytes)?;
    match draft.persist_noclobber(&path) {
        Ok(_) => sync(folder(&path)),
        // Another process wrote it first.
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error.error),
    }
}

/// The file itself, if this is a link that leads to it or to where it will be.
fn target(path: &Path) -> io::Result<PathBuf> {
    match (path.canonicalize(), path.read_link()) {
        (Err(error), Ok(next)) if error.kind() == io::ErrorKind::NotFound => {
            target(&folder(path).join(next))
        }
        (Err(error), Err(_)) if error.kind() == io::ErrorKind::NotFound => Ok(path.to_owned()),
        (found, _) => found,
    }
}

/// An empty file in the same folder, which is removed if it is not put in the place of another.
fn draft(path: &Path) -> io::Result<NamedTempFile> {
    // Readable by the owner alone from the first moment.
    let file = NamedTempFile::new_in(folder(path))?;
    only_for_owner(file.as_file())?;
    Ok(file)
}

/// Writes the text of a draft to the disk.
fn fill(draft: &mut NamedTempFile, bytes: &[u8]) -> io::Result<()> {
    draft.write_all(bytes)?;
    draft.as_file().sync_all()
}

fn read(path: &Path) -> Result<Zeroizing<String>, KeysError> {
    let mut file = File::open(path).map_err(KeysError::Read)?;
    check_mode(&file.metadata().map_err(KeysError::Read)?)?;
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text).map_err(KeysError::Read)?;
    Ok(text)
}

#[cfg(unix)]
fn only_for_owner(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
}

#[cfg(unix)]
fn check_mode(metadata: &Metadata) -> Result<(), KeysError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeysError::Exposed { mode });
    }
    Ok(())
}

/// Makes sure that the new name of a file is on the disk.
#[cfg(unix)]
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn only_for_owner(_: &File) -> io::Result<()> {
    // Files inherit what their folder allows.
    Ok(())
}

#[cfg(not(unix))]
fn check_mode(_: &Metadata) -> Result<(), KeysError> {
    Ok(())
}

#[cfg(not(unix))]
fn sync(_: &Path) -> io::Result<()> {
    Ok(())
}
