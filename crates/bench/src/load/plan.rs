//! How much load, and for how long.

use super::place::Kind;

/// How much load, and for how long.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "the command line")]
pub struct Plan {
    /// The store.
    pub store: Kind,
    /// How many sessions there are at the beginning.
    pub sessions: u32,
    /// For how many seconds.
    pub seconds: u32,
    /// Logins a second.
    pub logins: u32,
    /// Refreshes a second.
    pub refreshes: u32,
    /// How many clients ask for something else, each as soon as it was answered.
    pub clients: usize,
}
