//! What tells one write from another that writes the same.

use aws_lc_rs::rand;
use serde::{Deserialize, Serialize};

/// Random, and new with each write of what may be taken once. A store call that is repeated after its answer was
/// lost knows its own write by the content; without this it would take the equal write of another request
/// for its own, and both would have taken the same thing.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Mark(u64);

impl Mark {
    pub(crate) fn new() -> Self {
        let mut bytes = [0; 8];
        rand::fill(&mut bytes).expect("the system has random bytes");
        Self(u64::from_ne_bytes(bytes))
    }
}

impl Default for Mark {
    fn default() -> Self {
        Self::new()
    }
}
