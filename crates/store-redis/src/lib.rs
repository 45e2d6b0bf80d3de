//! Sessions in Redis.

mod builder;
mod bytes;
mod check;
mod connection;
mod database;
mod error;
mod feed;
mod keys;
mod row;
mod script;
mod sentinel;
mod store;
mod user_agent;

pub use builder::RedisStoreBuilder;
pub use error::RedisStoreError;
pub use row::RowFault;
pub use store::RedisStore;
