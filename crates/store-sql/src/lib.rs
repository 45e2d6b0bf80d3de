//! Sessions in SQL databases: one row a session, one statement a refresh, and one for several that wait
//! together.
//!
//! `SqliteStore` keeps them in a file, for one process or a few on one machine (feature
//! `sqlite`, the default); `PostgresStore` in a PostgreSQL database, for any number of nodes
//! (feature `postgres`). Read the modules `sqlite` and `postgres` before you choose settings.
//!
//! The tables belong to the store: read them if you like, but let it do the writing. A row
//! holds hashes and never a token, so a copy of the database logs nobody in.

// Says beside each item which feature it needs; docs.rs sets this.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;

mod column;
mod gathering;
mod parameters;
mod row;
mod statement;
mod value;

#[cfg(feature = "postgres")]
pub use postgres::{PostgresStore, PostgresStoreError};
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteStore, SqliteStoreError};
