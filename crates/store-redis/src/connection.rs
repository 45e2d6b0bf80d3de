//! One server, the master behind Sentinels, or a Cluster: where commands and subscriptions go.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::aio::PubSub;
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo, SingleNodeRoutingInfo};
use redis::{Client, Cmd, ErrorKind, RedisError, RedisResult, ServerErrorKind, Value};
use token_core::PRODUCT;
use tracing::debug;

use crate::error::is_moving;
use crate::master::Master;
use crate::nodes;
use crate::script::Script;
use crate::sentinel;
use crate::timeouts::{Timeouts, tcp_settings, within};
use crate::tls::Root;
#[cfg(feature = "tls")]
use crate::tls::is_encrypted;

/// How long a Cluster is asked again while it moves slots or elects a master, as a multiple of the
/// time that one answer may take.
const CLUSTER_PATIENCE: u32 = 2;
/// The pause before it is asked again.
const CLUSTER_PAUSE: Duration = Duration::from_millis(50);

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
        patience: Duration,
        /// A notice reaches every node of a Cluster, so any of them can be subscribed to.
        seeds: Arc<[Client]>,
    },
    /// That of a server alone, or the one that Sentinels name.
    Master(Arc<Master>),
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
                    // Repetitions are ours: redis would also repeat what may have been done.
                    .retries(0)
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
                    patience: timeouts.response * CLUSTER_PATIENCE,
                    seeds: seeds.collect::<RedisResult<_>>()?,
                    connection: builder.build()?.get_async_connection().await?,
                })
            }
            Servers::Sentinel {
                sentinels,
                master,
                login,
            } => {
                let client = sentinel::client(root, sentinels, master, login.as_ref())?;
                let master = Master::named(client, timeouts).await?;
                Ok(Self::Master(Arc::new(master)))
            }
            Servers::Single(url) => {
                let master = Master::at(root.server(url)?, timeouts).await?;
                Ok(Self::Master(Arc::new(master)))
            }
        }
    }

    pub(crate) const fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster { .. })
    }

    /// Sends a command to the node of its first key, and gives up at once if its slot is not there.
    pub(crate) async fn send_once(&self, cmd: &Cmd) -> RedisResult<Value> {
        match self {
            Self::Cluster { connection, .. } => {
                Box::pin(send_to_cluster(connection.clone(), cmd, Duration::ZERO)).await
            }
            Self::Master(master) => Box::pin(master.send(cmd)).await,
        }
    }

    /// Sends a command to the node of its first key. The calls of redis are behind a pointer: their types
    /// are deep, and callers add to that.
    pub(crate) async fn send(&self, cmd: &Cmd) -> RedisResult<Value> {
        match self {
            Self::Cluster {
                connection,
                patience,
                ..
            } => Box::pin(send_to_cluster(connection.clone(), cmd, *patience)).await,
            Self::Master(master) => Box::pin(master.send(cmd)).await,
        }
    }

    /// Sees that a server which takes our writes still does.
    pub(crate) async fn check_role(&self) {
        if let Self::Master(master) = self {
            master.check_role().await;
        }
    }

    /// Waits until calls go over another connection than before.
    pub(crate) async fn replaced(&self) {
        match self {
            Self::Cluster { .. } => std::future::pending().await,
            Self::Master(master) => master.replaced().await,
        }
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

    /// Opens a connection for notices. Another node of a Cluster is taken with each `attempt`: one of
    /// those that were named at the start, then one of those that it has now.
    pub(crate) async fn pub_sub(&self, attempt: usize, timeouts: Timeouts) -> RedisResult<PubSub> {
        let open = async {
            match self {
                Self::Cluster {
                    connection, seeds, ..
                } => {
                    let round = attempt / 2;
                    let seed = seeds.get(round % seeds.len().max(1));
                    let seed = seed.expect("a Cluster is opened with at least one address");
                    if attempt.is_multiple_of(2) {
                        seed.get_async_pubsub().await
                    } else {
                        // The nodes that were named at the start may all have been replaced since.
                        let node = nodes::master(connection.clone(), seed, round).await?;
                        node.get_async_pubsub().await
                    }
                }
                Self::Master(master) => master.client().await?.get_async_pubsub().await,
            }
        };
        within(timeouts.connect, open).await
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cluster { .. } => "Cluster",
            Self::Master(_) => "Master",
        })
    }
}

/// Sends a command to the node of its first key, and again only if a node has refused to do it:
/// because the slot is, or moves, elsewhere, or nobody has it just now. A command whose answer was
/// lost may have been done; what becomes of that is for those who know what it was.
async fn send_to_cluster(
    mut connection: ClusterConnection,
    cmd: &Cmd,
    patience: Duration,
) -> RedisResult<Value> {
    let deadline = Instant::now() + patience;
    let mut answer = cmd.query_async::<Value>(&mut connection).await;
    loop {
        let refusal = match answer.and_then(Value::extract_error) {
            Err(error) if Instant::now() < deadline => error,
            other => return other,
        };
        if !may_pass(&refusal) {
            return Err(refusal);
        }
        let node = refusal.redirect_node().and_then(|(node, _)| node_at(node));
        answer = match (refusal.kind(), node) {
            (ErrorKind::Server(ServerErrorKind::Ask), Some(node)) => {
                let mut asking = redis::Pipeline::new();
                asking.cmd("ASKING").add_command(cmd.clone());
                let answers = connection.route_pipeline(asking, 1, 1, node).await;
                answers.map(|mut answers| answers.pop().unwrap_or_default())
            }
            (ErrorKind::Server(ServerErrorKind::Moved), Some(node)) => {
                let routing = RoutingInfo::SingleNode(node);
                connection.route_command(cmd.clone(), routing).await
            }
            _ => {
                tokio::time::sleep(CLUSTER_PAUSE).await;
                cmd.query_async(&mut connection).await
            }
        };
    }
}

/// Whether a Cluster may do in a moment what it refuses now: it moves the slot, or elects a master. A script
/// that came to a key which is elsewhere may have written others, and goes on from there.
fn may_pass(refusal: &RedisError) -> bool {
    use ServerErrorKind::{BusyLoading, ClusterDown, MasterDown, ReadOnly};
    let kind = refusal.kind();
    is_moving(refusal)
        || matches!(
            kind,
            ErrorKind::Server(BusyLoading | ClusterDown | MasterDown | ReadOnly)
        )
}

/// The node at `host:port`.
fn node_at(address: &str) -> Option<SingleNodeRoutingInfo> {
    let (host, port) = address.rsplit_once(':')?;
    Some(SingleNodeRoutingInfo::ByAddress {
        host: host.to_owned(),
        port: port.parse().ok()?,
    })
}
