//! Follows the master that Sentinels name.

use std::sync::{Arc, Mutex, PoisonError};

use redis::aio::MultiplexedConnection;
use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, ErrorKind, RedisConnectionInfo, RedisError,
    RedisResult, ServerErrorKind, TlsMode, Value,
};
use token_core::PRODUCT;
use tracing::{debug, info};

use crate::timeouts::{Timeouts, tcp_settings, within};
use crate::tls::is_encrypted;

/// A connection to the master, made anew if the Sentinels name another.
pub(crate) struct Sentinel {
    sentinels: tokio::sync::Mutex<SentinelClient>,
    master: Mutex<MultiplexedConnection>,
    config: AsyncConnectionConfig,
    timeouts: Timeouts,
}

impl Sentinel {
    pub(crate) async fn open(
        sentinels: Vec<ConnectionInfo>,
        master: &str,
        login: Option<&(Option<String>, String)>,
        timeouts: Timeouts,
    ) -> RedisResult<Self> {
        let mut redis = RedisConnectionInfo::default();
        if let Some((user, password)) = login {
            if let Some(user) = user {
                redis = redis.set_username(user);
            }
            redis = redis.set_password(password);
        }
        let mut node = SentinelNodeConnectionInfo::default()
            .set_redis_connection_info(redis)
            .set_tcp_settings(tcp_settings());
        if sentinels.iter().all(is_encrypted) {
            node = node.set_tls_mode(TlsMode::Secure);
        }
        let mut client = SentinelClient::build(
            sentinels,
            master.to_owned(),
            Some(node),
            SentinelServerType::Master,
        )?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(timeouts.connect))
            .set_response_timeout(Some(timeouts.response));
        let connect = client.get_async_connection_with_config(&config);
        let connection = within(timeouts.connect * 2, connect).await?;
        Ok(Self {
            sentinels: tokio::sync::Mutex::new(client),
            master: Mutex::new(connection),
            config,
            timeouts,
        })
    }

    /// Sends a command to the master of a moment ago. If it fails because that one is
    /// gone or no longer the master, the new one is looked for while the caller has its error.
    pub(crate) async fn send(self: &Arc<Self>, cmd: &Cmd) -> RedisResult<Value> {
        let mut master = self.master();
        let result = master.send_packed_command(cmd).await;
        if result.as_ref().is_err_and(may_have_moved) {
            tokio::spawn(Arc::clone(self).follow());
        }
        result
    }

    /// A client for the present master.
    pub(crate) async fn client(&self) -> RedisResult<Client> {
        self.sentinels.lock().await.async_get_client().await
    }

    async fn follow(self: Arc<Self>) {
        // Somebody is at it already.
        let Ok(mut sentinels) = self.sentinels.try_lock() else {
            return;
        };
        let connect = sentinels.get_async_connection_with_config(&self.config);
        match within(self.timeouts.connect * 2, connect).await {
            Ok(master) => {
                info!(target: PRODUCT, "connected to the master that the Sentinels name");
                *self.master.lock().unwrap_or_else(PoisonError::into_inner) = master;
            }
            Err(error) => debug!(
                target: PRODUCT, error = &error as &dyn std::error::Error,
                "the Sentinels name no master that answers"
            ),
        }
    }

    fn master(&self) -> MultiplexedConnection {
        self.master
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn may_have_moved(error: &RedisError) -> bool {
    error.is_unrecoverable_error()
        || error.is_timeout()
        || error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
}
