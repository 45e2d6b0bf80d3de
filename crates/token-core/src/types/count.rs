//! Numbers that only grow: the credentials of a session, and how often a subject was logged out.

use serde::{Deserialize, Serialize};

use crate::types::stored::counter;

counter! {
    /// Counts the credentials of a session: 0 at the login, one more at each rotation.
    Generation
}

counter! {
    /// Counts how often all sessions of a subject were ended. A login opens no session if it noted an
    /// earlier epoch.
    Epoch
}
