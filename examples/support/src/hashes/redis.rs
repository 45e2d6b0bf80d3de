//! Hashes in Redis.

use std::sync::Arc;
use std::time::Duration;

use hallpass::Subject;
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands as _, AsyncConnectionConfig, Client, RedisResult};

/// Hashes in one hash of Redis, with a connection for each command: beside the hashing of a password it costs
/// nothing, and a connection that answers nothing any more, as behind a balancer that has forgotten it, fails one login.
#[derive(Clone)]
pub(crate) struct RedisHashes(Arc<Client>);

/// The name of that hash, beside the keys of the sessions and not among them.
const KEY: &str = "example:users";

/// KEYS: that hash. ARGV: name, hash as it must be, hash as it becomes.
const REPLACE: &str = "
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return false end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return true";

/// How long a command may take: less than a person waits at a login.
const TIME_LIMIT: Duration = Duration::from_secs(3);

impl RedisHashes {
    pub(crate) async fn connect(url: &str) -> RedisResult<Self> {
        let hashes = Self(Arc::new(Client::open(url)?));
        hashes.connection().await?;
        Ok(hashes)
    }

    pub(crate) async fn get(&self, subject: &Subject) -> RedisResult<Option<String>> {
        self.connection().await?.hget(KEY, subject.as_str()).await
    }

    pub(crate) async fn insert(&self, subject: &Subject, hash: String) -> RedisResult<()> {
        let mut connection = self.connection().await?;
        connection.hset_nx(KEY, subject.as_str(), hash).await
    }

    pub(crate) async fn replace(
        &self,
        subject: &Subject,
        from: &str,
        to: String,
    ) -> RedisResult<bool> {
        let mut command = redis::cmd("EVAL");
        command.arg(REPLACE).arg(1).arg(KEY);
        command.arg(subject.as_str()).arg(from).arg(to);
        command.query_async(&mut self.connection().await?).await
    }

    async fn connection(&self) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(TIME_LIMIT))
            .set_response_timeout(Some(TIME_LIMIT));
        let connection = self.0.get_multiplexed_async_connection_with_config(&config);
        connection.await
    }
}
