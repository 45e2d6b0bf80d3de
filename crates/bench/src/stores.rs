//! The stores on real servers: how many refreshes a second go through the session manager, compared with
//! the statement or script alone, run by the benchmark program of the database.
//!
//! - [`fixture`] makes sessions in bulk, as a store would have written them.
//! - [`clients`] refreshes them through the manager, eight or 64 at a time, or at a steady rate.
//! - [`postgres`], [`redis`] and [`sqlite`] fill a database, and run its bare statement.
//! - [`contest`] runs the ways in turn; [`purge`] refreshes while a million sessions are deleted.

pub mod clients;
pub mod columns;
pub mod contest;
pub mod fixture;
pub mod postgres;
pub mod purge;
pub mod redis;
pub mod sqlite;

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
