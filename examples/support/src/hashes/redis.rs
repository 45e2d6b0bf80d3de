//! Hashes in Redis.

use std::time::Duration;

use hallpass::Subject;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{AsyncCommands as _, RedisResult};

/// Hashes in one hash of Redis.
#[derive(Clone)]
pub(crate) struct RedisHashes(ConnectionManager);

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
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(TIME_LIMIT))
            .set_response_timeout(Some(TIME_LIMIT))
            .set_number_of_retries(1);
        let client = redis::Client::open(url)?;
        let connection = client.get_connection_manager_with_config(config).await?;
        Ok(Self(connection))
    }

    pub(crate) async fn get(&self, subject: &Subject) -> RedisResult<Option<String>> {
        self.0.clone().hget(KEY, subject.as_str()).await
    }

    pub(crate) async fn insert(&self, subject: &Subject, hash: String) -> RedisResult<()> {
        self.0.clone().hset_nx(KEY, subject.as_str(), hash).await
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
        command.query_async(&mut self.0.clone()).await
    }
}
