//! Where the record is kept.

mod error;
mod file;
#[cfg(feature = "keyring")]
mod keyring;
mod locked;
mod memory;
mod written;

pub use error::StoreError;
pub(crate) use file::FileStore;
#[cfg(feature = "keyring")]
pub(crate) use keyring::KeyringStore;
pub(crate) use locked::RenewalLock;
pub(crate) use memory::MemoryStore;
pub(crate) use written::Written;

use crate::machine::Record;

/// A place for the record. Its methods block.
#[derive(Debug)]
pub(crate) enum Store {
    File(FileStore),
    #[cfg(feature = "keyring")]
    Keyring(KeyringStore),
    Memory(MemoryStore),
}

impl Store {
    /// Reads the record. `None` for anything that is none.
    pub(crate) fn load(&self) -> Result<Option<Record>, StoreError> {
        match self {
            Self::File(store) => store.load(),
            #[cfg(feature = "keyring")]
            Self::Keyring(store) => store.load(),
            Self::Memory(store) => Ok(store.load()),
        }
    }

    /// Changes the record, with nothing of another process between reading and writing. The change is durable when
    /// this returns.
    pub(crate) fn update(
        &self,
        change: impl FnOnce(Option<&Record>) -> Option<Record>,
    ) -> Result<Written, StoreError> {
        match self {
            Self::File(store) => store.update(change),
            #[cfg(feature = "keyring")]
            Self::Keyring(store) => store.update(change),
            Self::Memory(store) => Ok(store.update(change)),
        }
    }

    /// The lock of a renewal, which one process at a time holds until it drops it. `None` if another has it.
    pub(crate) fn try_lock(&self) -> Result<Option<RenewalLock>, StoreError> {
        match self {
            Self::File(store) => store.try_lock(),
            #[cfg(feature = "keyring")]
            Self::Keyring(store) => store.try_lock(),
            // There is one renewal at a time in a process.
            Self::Memory(_) => Ok(Some(RenewalLock::default())),
        }
    }

    /// Whether the tokens outlive the process, and other processes may change them.
    pub(crate) fn is_shared(&self) -> bool {
        !matches!(self, Self::Memory(_))
    }
}
