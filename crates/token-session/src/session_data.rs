//! The application's private data of a session, which a store keeps beside it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The application's private data of a session: a JSON object that never leaves the server,
/// with a version of its own so that a lost race is seen and not swallowed.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SessionData {
    /// Grows by one at each write; 0 if nothing was written yet.
    pub version: u64,
    /// The JSON text, if there is one.
    pub json: Option<Box<str>>,
}

impl SessionData {
    /// The longest JSON text that is kept, in bytes.
    pub const MAX_LENGTH: usize = 64 * 1024;
}

impl fmt::Debug for SessionData {
    /// The content is the application's and may be private.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SessionData {{ version: {}, json: [redacted] }}",
            self.version
        )
    }
}
