//! What the routes demand of their callers, and the claims that the demo adds to tokens.

use std::time::Duration;

use hallpass::Rule;
use serde::{Deserialize, Serialize};

/// The demo's own claims, in each access token.
#[derive(Debug, Deserialize, Serialize)]
#[expect(clippy::exhaustive_structs, reason = "the example shows one claim")]
pub struct Profile {
    /// The name that the page shows.
    pub name: String,
}

/// May read reports.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a name; nobody makes one")]
pub enum ReadReports {}
impl<C> Rule<C> for ReadReports {
    const SCOPE: &'static str = "reports:read";
}

/// May write notes.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a name; nobody makes one")]
pub enum WriteNotes {}
impl<C> Rule<C> for WriteNotes {
    const SCOPE: &'static str = "notes:write";
}

/// Has typed the password within the last minute.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a name; nobody makes one")]
pub enum JustAuthenticated {}
impl Rule for JustAuthenticated {
    const MAX_AGE: Option<Duration> = Some(Duration::from_mins(1));
}
