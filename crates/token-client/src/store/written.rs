//! The outcome of a change.

use crate::machine::Record;

/// What a change of the record did.
#[derive(Debug)]
pub(crate) struct Written {
    /// What the store had.
    pub(crate) found: Option<Record>,
    /// What it has now.
    pub(crate) record: Option<Record>,
    /// Whether the condition of the change held.
    pub(crate) won: bool,
}
