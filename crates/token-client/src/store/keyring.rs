//! Tokens in the keyring of the system.

use std::path::Path;

use keyring::{Entry, Error};
use zeroize::Zeroizing;

use super::locked::Locks;
use super::{RenewalLock, StoreError, Written};
use crate::machine::Record;

/// An entry with the record as JSON. A keyring has no locks, so files have them.
#[derive(Debug)]
pub(crate) struct KeyringStore {
    service: Box<str>,
    user: Box<str>,
    locks: Locks,
}

impl KeyringStore {
    pub(crate) fn new(service: Box<str>, user: Box<str>, locks: &Path) -> Self {
        Self {
            service,
            user,
            locks: Locks::beside(locks),
        }
    }

    pub(super) fn load(&self) -> Result<Option<Record>, StoreError> {
        match self.entry()?.get_secret().map(Zeroizing::new) {
            Ok(text) => Ok(Record::read(&text)),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn update(
        &self,
        change: impl FnOnce(Option<&Record>) -> Option<Record>,
    ) -> Result<Written, StoreError> {
        self.locks.update(
            || self.load(),
            change,
            |next| Ok(self.entry()?.set_secret(&next.to_json())?),
        )
    }

    pub(super) fn try_lock(&self) -> Result<Option<RenewalLock>, StoreError> {
        self.locks.try_lock_renewal()
    }

    /// Opened for each use: the keyring may be locked and unlocked, or its service restarted.
    fn entry(&self) -> Result<Entry, StoreError> {
        Ok(Entry::new(&self.service, &self.user)?)
    }
}
