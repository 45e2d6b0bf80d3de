//! Sessions in an SQLite file.
//!
//! ```no_run
//! use store_sql::SqliteStore;
//!
//! # async fn open() -> Result<(), store_sql::SqliteStoreError> {
//! let store = SqliteStore::open("sessions.db").await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Your own pool
//! [`SqliteStore::new`] takes the pool that the application has. Its tables are named
//! `hallpass_…` and no other is touched; its steps of migration are noted in
//! `hallpass_migration`, not in the application's `_sqlx_migrations`. It asks of the pool:
//! - `busy_timeout` above zero (sqlx's default is 5 s) and below the store time-out of the
//!   session manager, so that a locked database is reported as such;
//! - `journal_mode` WAL, or each read waits for each write;
//! - no `max_page_count`, `query_only` or the like that would refuse writes.
//!
//! Reads go through the pool. Writes go through one connection that the store takes out of
//! the pool for good ([`detach`](sqlx::pool::PoolConnection::detach)): SQLite writes one
//! thing at a time anyway, and writers of one process that queue in order are faster than
//! writers that poll for a lock. So closing the pool does not close the file; drop the store
//! as well.
//!
//! # Refreshes that wait together
//! While one refresh is written, others gather, and go as one statement when it has ended: up to 64 of
//! them wait for the disk once. Those that change an index, which a session does once a day, are a second one.
//! Nobody waits for a timer, and a refresh that comes alone goes at once. Each caller gets the outcome of its own
//! session. If a statement fails, each of them is tried alone.
//!
//! # Durability
//! Every write is committed before it is reported, and nothing that was reported is lost
//! when the process is killed. When the power fails or the operating system stops, it depends
//! on [`Durability`]. The default is [`Durability::Full`]: the log reaches the disk before a
//! write is reported, because a logout that is reported and then lost would bring the session
//! back. [`Durability::Endings`] does that for what ends something and lets ordinary
//! refreshes and logins go without, which is faster by the time that the disk needs: after a
//! loss of power a client may then hold a newer token than the file, and must log in again.
//!
//! # Several processes
//! Several processes on one machine can share the file. Notices of ended sessions stay in the
//! process; the others see them when they poll, each second. The file must be on a local
//! disk: network file systems do not lock as SQLite needs it.
//!
//! # Size
//! About 750 bytes a session with its indexes, so 0.75 GB for a million. What is past its
//! `purge_at` stays until it is purged; the pages are then used again, and the file does not
//! shrink without a `VACUUM`. The write-ahead log is cut back to 64 MiB when it was longer.
//!
//! # Migrations
//! The tables are made and brought up to date when the store is opened, in one transaction.
//! A file of a newer version than this library knows is refused
//! ([`SqliteStoreError::SchemaVersion`]) and left as it is.

mod driver;
mod error;
mod options;
mod schema;
mod statements;
mod store;
mod together;
mod writer;

pub use error::SqliteStoreError;
pub use options::{Durability, SqliteStoreOptions};
pub use store::SqliteStore;
