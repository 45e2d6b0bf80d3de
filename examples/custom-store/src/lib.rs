//! A session store of your own, in three files.
//!
//! It keeps sessions in [redb](https://docs.rs/redb), an embedded key-value database, and shows
//! what every store has to do: evaluate each condition and write in one atomic step, and assert
//! a row as [`Committed`](hallpass::store::Committed) only after its transaction has ended.
//!
//! - `store.rs` implements [`SessionStore`](hallpass::SessionStore).
//! - `rows.rs` has the tables, and keeps rows and indexes together.
//! - `tests/contract.rs` runs the suite that every store must pass, in a few lines.
//!
//! Two things make it so short. A write transaction of redb excludes every other, so a row can be
//! read, changed by the core's own rule ([`Change::apply`](hallpass::store::Change::apply)),
//! and written back. And [`Session`](hallpass::Session) goes through serde, so a row is one
//! document. Where writers run side by side the condition belongs into the statement instead, as
//! in `store-sql` and `store-redis`.

mod error;
mod rows;
mod store;

pub use error::RedbStoreError;
pub use store::RedbStore;
