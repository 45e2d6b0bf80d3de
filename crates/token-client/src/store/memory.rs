//! Tokens in memory, for as long as the client lives.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Written;
use crate::machine::Record;

#[derive(Debug, Default)]
pub(crate) struct MemoryStore(Mutex<Option<Record>>);

impl MemoryStore {
    pub(super) fn load(&self) -> Option<Record> {
        self.record().clone()
    }

    pub(super) fn update(&self, change: impl FnOnce(Option<&Record>) -> Option<Record>) -> Written {
        let mut record = self.record();
        let found = record.clone();
        let next = change(found.as_ref());
        let won = next.is_some();
        if won {
            *record = next;
        }
        let record = record.clone();
        Written { found, record, won }
    }

    fn record(&self) -> MutexGuard<'_, Option<Record>> {
        // Whatever panicked has not written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
