//! One server, the master behind Sentinels, or a Cluster: where commands and subscriptions go.

use std::fmt;
use std::sync::Arc;

use redis::aio::{ConnectionManager, ConnectionManagerConfig, PubSub};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo};
use redis::{Client, Cmd, ErrorKind, RedisResult, ServerErrorKind, Value};
use token_core::PRODUCT;
use tracing::debug;

use crate::script::Script;
use crate::sentinel::Sentinel;
use crate::timeouts::{Timeouts, tcp_settings, within};
use crate::tls::Root;
#[cfg(feature = "tls")]
use crate::tls::is_encrypted;

/// How often a Cluster is asked again while it moves slots or elects a master, within the
/// limit of time.
const CLUSTER_RETRIES: u32 = 8;

/// The servers that have the data.
#[derive(Clone)]
pub(crate) enum Servers {
    Cluster(Vec<String>),
    Sentinel {
        sentinels: Vec<String>,
        master: String,
        login: Option<(Option<String>, String)>,
    },
    Single(String),
}

/// Connections that are made again when they break. Clones share them.
#[derive(Clone)]
pub(crate) enum Connection {
    Cluster {
        connection: ClusterConnection,
        /// A notice reaches every node of a Cluster, so any of them can be subscribed to.
        seeds: Arc<[Client]>,
    },
    Sentinel(Arc<Sentinel>),
    Single {
        connection: ConnectionManager,
        client: Client,
    },
}

impl Connection {
    pub(crate) async fn open(
        servers: &Servers,
        timeouts: Timeouts,
        root: &Root,
    ) -> RedisResult<Self> {
        match servers {
            Servers::Cluster(urls) => {
                let infos = root.servers(urls)?;
                let builder = ClusterClientBuilder::new(infos.clone())
                    .connection_timeout(timeouts.connect)
                    .response_timeout(timeouts.response)
                    .overall_response_timeout(Some(timeouts.response * 2))
                    .retries(CLUSTER_RETRIES)
                    .tcp_settings(tcp_settings());
                // A node that a Cluster names is checked as those that the URLs name.
                #[cfg(feature = "tls")]
                let builder = match root.certificates() {
                    Some(certificates) if infos.iter().any(is_encrypted) => {
                        builder.certs(certificates)
                    }
                    _ => builder,
                };
                let seeds = infos.into_iter().map(Client::open);
                Ok(Self::Cluster {
                    seeds: seeds.collect::<RedisResult<_>>()?,
                    connection: builder.build()?.get_async_connection().await?,
                })
            }
            Servers::Sentinel {
                sentinels,
                master,
                login,
            } => {
                let infos = root.servers(sentinels)?;
                let sentinel = Sentinel::open(infos, master, login.as_ref(), timeouts).await?;
                Ok(Self::Sentinel(Arc::new(sentinel)))
            }
            Servers::Single(url) => {
                let client = Client::open(root.server(url)?)?;
                // One retry: a call that finds the server gone must fail within its time and
                // not wait for a server that may stay away.
                let config = ConnectionManagerConfig::new()
                    .set_connection_timeout(Some(timeouts.connect))
                    .set_response_timeout(Some(timeouts.response))
                    .set_number_of_retries(1);
                Ok(Self::Single {
                    connection: client.get_connection_manager_with_config(config).await?,
                    client,
                })
            }
        }
    }

    pub(crate) const fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster { .. })
    }

    /// Sends a command to the node of its first key.
    pub(crate) async fn send(&self, cmd: &Cmd) -> RedisResult<Value> {
        let value = match self {
            Self::Cluster { connection, .. } => {
                let mut connection = connection.clone();
                cmd.query_async(&mut connection).await?
            }
            Self::Sentinel(sentinel) => sentinel.send(cmd).await?,
            Self::Single { connection, .. } => {
                let mut connection = connection.clone();
                connection.send_packed_command(cmd).await?
            }
        };
        value.extract_error()
    }

    /// Calls a script by its digest, and with its code if the server has forgotten it.
    pub(crate) async fn call(
        &self,
        script: &Script,
        keys: &[Vec<u8>],
        args: &[Vec<u8>],
    ) -> RedisResult<Value> {
        match self.send(&script.by_digest(keys, args)).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                debug!(
                    target: PRODUCT, script = script.name,
                    "the server does not know the script; sending it"
                );
                self.send(&script.by_code(keys, args)).await
            }
            other => other,
        }
    }

    /// Sends a command to every master, and gives each one's answer.
    pub(crate) async fn ask_masters(&self, cmd: &Cmd) -> RedisResult<Vec<Value>> {
        let Self::Cluster { connection, .. } = self else {
            return Ok(vec![self.send(cmd).await?]);
        };
        let routing = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
        let answers = connection
            .clone()
            .route_command(cmd.clone(), routing)
            .await?;
        match answers.extract_error()? {
            Value::Map(answers) => Ok(answers.into_iter().map(|(_, answer)| answer).collect()),
            other => Ok(vec![other]),
        }
    }

    /// Opens a connection for notices. Another node is taken with each `attempt`, if there
    /// are several.
    pub(crate) async fn pub_sub(&self, attempt: usize, timeouts: Timeouts) -> RedisResult<PubSub> {
        let open = async {
            match self {
                Self::Cluster { seeds, .. } => {
                    let seed = seeds.get(attempt % seeds.len().max(1));
                    let seed = seed.expect("a Cluster is opened with at least one address");
                    seed.get_async_pubsub().await
                }
                Self::Sentinel(sentinel) => sentinel.client().await?.get_async_pubsub().await,
                Self::Single { client, .. } => client.get_async_pubsub().await,
            }
        };
        within(timeouts.connect, open).await
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cluster { .. } => "Cluster",
            Self::Sentinel(_) => "Sentinel",
            Self::Single { .. } => "Single",
        })
    }
}
