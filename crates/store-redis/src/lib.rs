//! Sessions in Redis or Valkey: one script, and one round trip, for each operation.
//!
//! ```no_run
//! use store_redis::RedisStore;
//!
//! # async fn open() -> Result<(), store_redis::RedisStoreError> {
//! // One server:
//! let store = RedisStore::connect("redis://app:password@redis.internal:6379/").await?;
//! // The master that Sentinels name:
//! let sentinels = ["redis://s1.internal:26379", "redis://s2.internal:26379"];
//! let store = RedisStore::sentinel(sentinels, "sessions").connect().await?;
//! // A Cluster:
//! let nodes = ["redis://n1.internal:6379", "redis://n2.internal:6379"];
//! let store = RedisStore::cluster(nodes).connect().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Redis 6.2 or newer, or Valkey. With the feature `tls` URLs may begin with `rediss://`: then the
//! connection is encrypted and the server's certificate checked
//! ([`root_certificate`](RedisStoreBuilder::root_certificate)). If Sentinels are named so, their
//! master is asked for TLS as well. A connection to another machine without it is warned of in the log.
//!
//! # Settings of the server
//! - `maxmemory-policy noeviction`, or it throws away sessions, and forgets that others were
//!   ended. It is checked when the store is opened; one that evicts is refused. So do not
//!   share it with a cache.
//! - `appendonly yes`. With `appendfsync everysec` (its default) a crash loses the writes of
//!   the last second or two; with `always` none that was answered.
//! - `maxmemory` with room to spare: when it is full, refreshes and logouts fail like logins.
//!
//! # What a failover loses
//! Replicas follow a moment later, so one that is promoted may lack the last writes: logins
//! are unknown, endings are undone, and clients may hold newer tokens than their row; the
//! policy's [`adopt_lost_writes`](token_core::session::PolicyBuilder::adopt_lost_writes) says what becomes of those.
//! `min-replicas-to-write 1` with a small `min-replicas-max-lag` bounds it. While nobody is
//! master, calls fail and nobody is logged out.
//!
//! # If Redis is emptied
//! Which bucket a subject is in depends on a secret that the first node makes and keeps in
//! `{prefix}:key`. Each bucket says which secret it was filled by, and the scripts that look for a
//! subject compare that in the same step. So if Redis is emptied under running nodes (`FLUSHDB`, or a
//! restart without its data), none of them writes what the others do not find: the first call that
//! notices puts the secret back, or takes the one that a new node has made, and says so in the log
//! at `error`. What was stored is gone: everybody has to log in again. Every
//! [`catch_up_interval`](RedisStoreBuilder::catch_up_interval) a node also looks whether the secret is
//! still there and whether Redis has begun to evict. A node that starts meanwhile, finds sessions and no
//! secret, waits that long for one that runs to put it back, and is refused then.
//!
//! # Scripts
//! They are loaded when the store is opened, called by their digest, and sent again if a
//! server has forgotten them. Each works on the keys of one bucket, `{prefix}{xx}…`, which are
//! on one hash slot: a bucket is a byte, so sessions spread over 256 slots. A script that is
//! cut off after any of its writes leaves the row as it was or as it becomes, and the same
//! call, made again, brings it to its end.
//!
//! # Revocations on all nodes
//! Endings are published on the channel `{prefix}:ended` and kept in a log. Step-ups, changes of
//! password and registrations of devices are published there too, for nodes that remember sessions,
//! and are not kept. A node whose subscription broke subscribes again and reads the log; in any case
//! the driver reads it every 30 seconds ([`catch_up_interval`](RedisStoreBuilder::catch_up_interval)).
//!
//! # Size
//! At most 433 bytes a session of a million by `used_memory`, rotated and from a browser. A
//! row is a small hash whose values have at most 64 bytes, which is how Redis keeps it compact
//! (`hash-max-listpack-value`); a user agent is stored in parts. Redis deletes a row a day
//! after its session could last be used, and a tombstone a day after its ending
//! ([`Policy::tombstone`](token_core::Policy::tombstone)); purging takes their ids out of the
//! index.
//!
//! # Rights
//! A user of its own may be given exactly these, for the default prefix:
//!
//! ```text
//! ACL SETUSER app on >password ~hallpass* &hallpass:*
//!     +eval +evalsha +script|load
//!     +del +exists +expire +get +hdel +hexists +hget +hgetall +hkeys +hrandfield +hset +pttl
//!     +set +ttl +type +zadd +zrange +zrangebyscore +zrem
//!     +info +ping +publish +subscribe
//! ```
//!
//! In a Cluster `+asking +cluster|slots` too, with a database number `+select`. Before version 7
//! write `+script` and `+cluster`. If neither `INFO` nor `CONFIG GET` may be asked, say
//! yourself that nothing is evicted
//! ([`danger_assume_noeviction`](RedisStoreBuilder::danger_assume_noeviction)).
//!
//! # Caution
//! The keys belong to the store: read them if you like, but let it do the writing. Rows hold
//! hashes and never a token, so a copy logs nobody in.

mod builder;
mod bytes;
mod check;
mod cluster;
mod connection;
mod database;
mod error;
mod explain;
mod feed;
mod identity;
mod keys;
mod master;
mod row;
mod script;
mod sentinel;
mod slots;
mod store;
mod timeouts;
mod tls;
mod user_agent;
mod watch;

pub use builder::RedisStoreBuilder;
pub use error::RedisStoreError;
pub use row::RowFault;
pub use store::RedisStore;
