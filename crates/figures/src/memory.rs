//! What a session takes in memory.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::number::whole;

/// The memory that a session takes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "figures")]
pub struct Footprint {
    /// The store, and what its sessions hold.
    pub who: String,
    /// How many sessions there were.
    pub sessions: u64,
    /// The bytes that were allocated for each.
    pub asked: u64,
    /// The bytes by which the process grew for each.
    pub resident: u64,
}

/// A table in Markdown.
pub fn table(all: &[Footprint]) -> String {
    let mut text = String::from(
        "| a session of | sessions | bytes that were asked for | bytes by which the process grew |\n\
         |---|--:|--:|--:|\n",
    );
    for Footprint {
        who,
        sessions,
        asked,
        resident,
    } in all
    {
        let [sessions, asked, resident] = [*sessions, *asked, *resident].map(whole);
        let _ = writeln!(text, "| {who} | {sessions} | {asked} | {resident} |");
    }
    text
}
