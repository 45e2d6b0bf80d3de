//! The stores on real servers: how many refreshes a second go through the session manager, compared with
//! the statement or script alone, run by the benchmark program of the database.
//!
//! - [`fixture`] makes sessions in bulk, as a store would have written them.
//! - [`clients`] refreshes them through the manager, eight or 64 at a time, or at a steady rate.
//! - [`postgres`], [`redis`] and [`sqlite`] fill a database, and run its bare statement.
//! - [`contest`] runs the ways in turn; [`purge`] refreshes while a million sessions are deleted.
//! - [`table`] writes the figures.

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

/// How many refreshes are under way at once, in every way whose name does not say otherwise.
pub const CLIENTS: usize = 8;

/// How many are under way if many wait for each other.
pub const MANY: usize = 64;

/// How long and with how many sessions to measure.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "made here alone")]
pub struct Effort {
    /// How many sessions are stored, in each size.
    pub sessions: Vec<u32>,
    /// How many rounds.
    pub rounds: usize,
    /// Whole seconds that each way runs in a round.
    pub seconds: u32,
    /// How many expired sessions are purged.
    pub purged: u32,
    /// How long refreshes go on before the purge and after it, in seconds.
    pub calm: u32,
}

/// What was measured of one store.
#[derive(Clone, Debug, serde::Serialize)]
#[expect(clippy::exhaustive_structs, reason = "made here alone")]
pub struct Measured {
    /// The store, and its settings.
    pub name: String,
    /// Each way, at each size.
    pub lines: Vec<Line>,
    /// What was promised.
    pub promises: Vec<Promise>,
    /// Further lines for the report.
    pub notes: Vec<String>,
}

/// One way at one size.
#[derive(Clone, Debug, serde::Serialize)]
#[expect(clippy::exhaustive_structs, reason = "made here alone")]
pub struct Line {
    /// The way, as it is called in tables.
    pub who: String,
    /// How many sessions are stored.
    pub sessions: u32,
    /// Refreshes a second.
    pub per_second: Middle,
    /// The fraction of the limit's at the same size, round by round.
    pub of_limit: Middle,
}

/// A promise, and what was measured of it.
#[derive(Clone, Debug, serde::Serialize)]
#[expect(clippy::exhaustive_structs, reason = "made here alone")]
pub struct Promise {
    /// The promise in words.
    pub words: String,
    /// What was measured.
    pub outcome: String,
    /// Whether the promise is kept.
    pub met: bool,
}
