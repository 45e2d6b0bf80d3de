//! The stores on real servers: how many refreshes a second go through the session manager, beside
//! the statement or script alone, run by whatever the database's own people measure with.
//!
//! - [`fixture`] makes sessions in bulk that a store takes for its own.
//! - [`clients`] refreshes them through the manager, eight at a time or at a steady rate.
//! - [`postgres`], [`redis`] and [`sqlite`] fill a database, and know its bare way.
//! - [`contest`] runs the ways in turn; [`purge`] refreshes while a million sessions are deleted.
//! - [`table`] writes what came out.

use crate::rounds::Middle;

pub mod clients;
pub mod columns;
pub mod contest;
pub mod fixture;
pub mod postgres;
pub mod purge;
pub mod redis;
pub mod sqlite;
pub mod table;

/// How many refreshes are under way at once, in every way.
pub const CLIENTS: usize = 8;

/// How much is measured.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "made here alone")]
pub struct Effort {
    /// How many sessions are stored, in each size.
    pub sessions: Vec<u32>,
    /// How many rounds.
    pub rounds: usize,
    /// Whole seconds that each way runs in a round.
    pub seconds: u32,
    /// How many sessions that are over are purged.
    pub purged: u32,
    /// How long refreshes go on before the purge and after it, in seconds.
    pub calm: u32,
}

/// What was measured of one store.
#[derive(Clone, Debug, serde::Serialize)]
#[expect(clippy::exhaustive_structs, reason = "made here alone")]
pub struct Measured {
    /// Which store, in which setting.
    pub name: String,
    /// Each way, at each size.
    pub lines: Vec<Line>,
    /// What was promised.
    pub promises: Vec<Promise>,
    /// What else is to be said.
    pub notes: Vec<String>,
}

/// One way at one size.
#[derive(Clone, Debug, serde::Serialize)]
#[expect(clippy::exhaustive_structs, reason = "made here alone")]
pub struct Line {
    /// Who.
    pub who: String,
    /// How many sessions are stored.
    pub sessions: u32,
    /// Refreshes a second.
    pub per_second: Middle,
    /// As a part of the limit's at the same size, round by round.
    pub of_limit: Middle,
}

/// What was promised, and what it came to.
#[derive(Clone, Debug, serde::Serialize)]
#[expect(clippy::exhaustive_structs, reason = "made here alone")]
pub struct Promise {
    /// The promise in words.
    pub words: String,
    /// What was measured.
    pub outcome: String,
    /// Whether that is enough.
    pub met: bool,
}
