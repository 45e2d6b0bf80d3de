//! How Sentinels are asked for the master, and how the master is reached then.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{Client, ConnectionInfo, ErrorKind, RedisResult, TlsMode};
use tokio::sync::Mutex;

use crate::timeouts::{tcp_settings, within};
use crate::tls::{Root, is_encrypted};

/// The Sentinels that know a master under a name.
pub(crate) struct Sentinels {
    each: Vec<Sentinel>,
    name: String,
    /// How long one may take to say what it knows.
    patience: Duration,
}

struct Sentinel {
    client: Client,
    /// It finds the master by the word of this Sentinel alone.
    master: Mutex<SentinelClient>,
}

impl Sentinels {
    /// `login` is the user and password of the master.
    pub(crate) fn new(
        root: &Root,
        urls: &[String],
        name: &str,
        login: Option<&(Option<String>, String)>,
        patience: Duration,
    ) -> RedisResult<Self> {
        let servers = root.servers(urls)?;
        let encrypted = servers.iter().all(is_encrypted);
        let each = servers.into_iter().map(|server| {
            let master = client(root, &server, name, login, encrypted)?.into();
            let client = Client::open(server)?;
            Ok(Sentinel { client, master })
        });
        Ok(Self {
            each: each.collect::<RedisResult<_>>()?,
            name: name.to_owned(),
            patience,
        })
    }

    /// A client for the master. Each election gives the master a higher epoch, so those who know the highest
    /// are believed: a Sentinel that is parted from the others, with the old master, goes on to name that.
    pub(crate) async fn master(&self) -> RedisResult<Client> {
        let epochs = join_all(self.each.iter().map(async |sentinel| {
            let epoch = within(self.patience, sentinel.epoch(&self.name)).await;
            epoch.map(|epoch| (epoch, sentinel))
        }));
        let epochs = epochs.await;
        let known = epochs.iter().filter_map(|asked| asked.as_ref().ok());
        let latest = known.clone().map(|(epoch, _)| *epoch).max();
        let mut failed = None;
        for (_, sentinel) in known.filter(|(epoch, _)| Some(*epoch) == latest) {
            match sentinel.master.lock().await.async_get_client().await {
                Ok(client) => return Ok(client),
                Err(error) => failed = Some(error),
            }
        }
        let failed = failed.or_else(|| epochs.into_iter().find_map(Result::err));
        Err(failed.expect("there is a Sentinel, and it failed in one of both steps"))
    }
}

impl Sentinel {
    /// The number of the election that made the server the master that this Sentinel takes for it.
    async fn epoch(&self, name: &str) -> RedisResult<u64> {
        let mut connection = self.client.get_multiplexed_async_connection().await?;
        let mut ask = redis::cmd("SENTINEL");
        ask.arg("MASTERS");
        let masters: Vec<HashMap<String, String>> = ask.query_async(&mut connection).await?;
        let mut masters = masters.into_iter();
        let master = masters.find(|master| master.get("name").is_some_and(|found| found == name));
        let epoch = master.and_then(|master| master.get("config-epoch")?.parse().ok());
        epoch.ok_or_else(|| {
            let unknown = "the Sentinel knows no master of this name";
            (ErrorKind::MasterNameNotFoundBySentinel, unknown).into()
        })
    }
}

/// A client that asks one Sentinel.
#[cfg_attr(
    not(feature = "tls"),
    expect(unused_variables, reason = "it has certificates alone")
)]
fn client(
    root: &Root,
    sentinel: &ConnectionInfo,
    name: &str,
    login: Option<&(Option<String>, String)>,
    encrypted: bool,
) -> RedisResult<SentinelClient> {
    let address = sentinel.addr().clone();
    let mut builder = SentinelClientBuilder::new([address], name, SentinelServerType::Master)?
        .set_client_to_redis_tcp_settings(tcp_settings())
        .set_client_to_sentinel_tcp_settings(tcp_settings());
    if encrypted {
        builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
        // A server that Sentinels name is checked as they are.
        #[cfg(feature = "tls")]
        if let Some(certificates) = root.certificates() {
            builder = builder.set_client_to_redis_certificates(certificates);
        }
    }
    let settings = sentinel.redis_settings();
    if let Some(user) = settings.username() {
        builder = builder.set_client_to_sentinel_username(user);
    }
    if let Some(password) = settings.password() {
        builder = builder.set_client_to_sentinel_password(password);
    }
    if let Some((user, password)) = login {
        if let Some(user) = user {
            builder = builder.set_client_to_redis_username(user);
        }
        builder = builder.set_client_to_redis_password(password);
    }
    builder.build()
}
