//! Sessions in PostgreSQL.
//!
//! ```no_run
//! use store_sql::PostgresStore;
//!
//! # async fn open() -> Result<(), store_sql::PostgresStoreError> {
//! let store = PostgresStore::connect("postgres://app@db.internal/app").await?;
//! # Ok(())
//! # }
//! ```
//!
//! A refresh is one prepared `UPDATE … RETURNING` in a transaction of its own: one round
//! trip, and no lock that waits for a client. Every other call is one statement too.
//!
//! If more than four refreshes come at once, those that have to wait go together when one of the four has
//! ended: up to 64 sessions in one `UPDATE … FROM unnest(…) … RETURNING`. Nobody waits for a timer. Each
//! caller gets the outcome of its own session. If the statement fails, each of them is tried alone, so that a
//! row which cannot be written spoils no other. A caller that gives up before its statement is sent changes
//! nothing, and afterwards its refresh is carried out all the same.
//!
//! PostgreSQL 12 or newer. With the feature `tls` the `sslmode` of the URL holds: `prefer` (the
//! default) encrypts if the server can and proves nothing, `require` insists, and `verify-full`
//! insists on a certificate for the host by an authority that Mozilla trusts, or by the one in
//! `sslrootcert`. A connection to another machine that is not encrypted is warned of in the log.
//!
//! # Your own pool
//! [`PostgresStore::new`] takes the pool that the application has. The tables stand in a
//! schema of their own (`hallpass`; [`schema`](PostgresStoreOptions::schema)) and no other is
//! touched. It asks of the pool:
//! - transactions at `read committed`, the server's default: if two writes meet,
//!   stricter levels refuse one of them, and this one looks again. It is checked at the start;
//! - an `acquire_timeout` and a `statement_timeout` below the store time-out of the session
//!   manager, so that a slow server is reported as such and does not work on for clients
//!   that have gone;
//! - prepared statements that are kept (sqlx's default), or each call costs a second round
//!   trip;
//! - `test_before_acquire(false)` if round trips count: sqlx otherwise asks each
//!   connection whether it is there before each statement. It also asks after each, which
//!   no option prevents; with a pool of the store's own ([`PostgresStore::connect`]) neither
//!   happens.
//!
//! The store makes one more connection, outside the pool, that listens.
//!
//! # PgBouncer
//! In transaction mode from version 1.21 on, with `max_prepared_statements` above zero (the
//! default from 1.24 on), for the statements are named:
//!
//! ```no_run
//! use std::time::Duration;
//! use store_sql::postgres::{Notices, PostgresStoreOptions};
//!
//! # async fn open() -> Result<(), Box<dyn std::error::Error>> {
//! let server = "postgres://app@db.internal:5432/app".parse()?;
//! let store = PostgresStoreOptions::new()
//!     // PgBouncer loses notices in this mode: listen on the server itself, or `Notices::Poll`.
//!     .notices(Notices::ListenOn(Box::new(server)))
//!     // It refuses what it does not know in a connection's start. Give the role one instead:
//!     // ALTER ROLE app SET statement_timeout = '4s'
//!     .statement_timeout(Duration::ZERO)
//!     .connect("postgres://app@pgbouncer.internal:6432/app")
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! A pool of the application's own needs `extra_float_digits(None)` in its connect options
//! besides, or `ignore_startup_parameters = extra_float_digits` in PgBouncer's settings. Older
//! versions mix up the statements of their clients in transaction mode, whatever the client
//! does: use session mode there.
//!
//! # Durability
//! That of the server: with `synchronous_commit` on (its default) whatever was reported is on
//! its disk, and with a synchronous standby on that one's too. An asynchronous standby that
//! is promoted may lack the last writes: sessions that were ended just before are live again
//! there, and clients may hold newer tokens than the database; the policy's
//! [`adopt_lost_writes`](token_core::session::PolicyBuilder::adopt_lost_writes) says what becomes of those. With
//! `synchronous_commit` off the same holds for a crash of the server.
//!
//! # Revocations on all nodes
//! What ends sessions notifies every node in the same transaction. A node whose connection
//! was lost listens again, within seconds if the server is there, and then reads what was
//! ended in between; in any case the driver reads the revocations again every 30 seconds.
//!
//! # Size
//! About 800 bytes a session with its indexes and the room that keeps refreshes heap-only,
//! so 0.8 GB for a million; besides, one small row for each subject that ever logged in.
//! Purging deletes in batches and leaves out rows that are in use; autovacuum makes the room
//! usable again.
//!
//! # Migrations
//! The schema and tables are made and brought up to date when the store is opened, in one
//! transaction, one node at a time. If they are up to date nothing is written, so a role
//! with `USAGE` on the schema, `SELECT`, `INSERT`, `UPDATE` and `DELETE` on its tables and
//! `EXECUTE` on its functions is enough after the first start. Tables of a newer version than
//! this library knows are refused ([`PostgresStoreError::SchemaVersion`]) and left as they
//! are; so if you may have to go back, start the new version last on several nodes, since nodes
//! of the old version that run go on and those that restart do not.

mod driver;
mod encryption;
mod error;
mod lanes;
mod listener;
mod options;
mod schema;
mod statements;
mod store;
mod together;

pub use error::PostgresStoreError;
pub use options::{Notices, PostgresStoreOptions};
pub use store::PostgresStore;
