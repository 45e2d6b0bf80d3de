//! One server, the master behind Sentinels, or a Cluster: where commands and subscriptions go.

use std::fmt;
use std::sync::Arc;

use redis::aio::PubSub;
use redis::{Cmd, ErrorKind, RedisResult, ServerErrorKind, Value};
use token_core::PRODUCT;
use tracing::debug;

use crate::cluster::Cluster;
use crate::master::Master;
use crate::script::Script;
use crate::sentinel::Sentinels;
use crate::timeouts::{Timeouts, within};
use crate::tls::Root;

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
    Cluster(Arc<Cluster>),
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
                let cluster = Cluster::open(root.servers(urls)?, timeouts).await?;
                Ok(Self::Cluster(Arc::new(cluster)))
            }
            Servers::Sentinel {
                sentinels,
                master,
                login,
            } => {
                let patience = timeouts.connect / 2;
                let sentinels = Sentinels::new(root, sentinels, master, login.as_ref(), patience)?;
                let master = Master::named(sentinels, timeouts).await?;
                Ok(Self::Master(Arc::new(master)))
            }
            Servers::Single(url) => {
                let master = Master::at(root.server(url)?, timeouts).await?;
                Ok(Self::Master(Arc::new(master)))
            }
        }
    }

    pub(crate) const fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    /// Sends a command to the node of its first key, and gives up at once if its slot is not there.
    pub(crate) async fn send_once(&self, cmd: &Cmd) -> RedisResult<Value> {
        match self {
            Self::Cluster(cluster) => Box::pin(cluster.send_once(cmd)).await,
            Self::Master(master) => Box::pin(master.send(cmd)).await,
        }
    }

    /// Sends a command to the node of its first key. The calls of redis are behind a pointer: their types
    /// are deep, and callers add to that.
    pub(crate) async fn send(&self, cmd: &Cmd) -> RedisResult<Value> {
        match self {
            Self::Cluster(cluster) => Box::pin(cluster.send(cmd)).await,
            Self::Master(master) => Box::pin(master.send(cmd)).await,
        }
    }

    /// Sees that a server which takes our writes still does, or that a Cluster is as it was.
    pub(crate) async fn check_role(&self) {
        match self {
            // What it finds it has logged.
            Self::Cluster(cluster) => cluster.check().await,
            Self::Master(master) => master.check_role().await,
        }
    }

    /// Waits until what is published goes another way than to the present subscription.
    pub(crate) async fn replaced(&self) {
        match self {
            Self::Cluster(cluster) => cluster.is_left().await,
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
        match self {
            Self::Cluster(cluster) => Box::pin(cluster.ask_masters(cmd)).await,
            Self::Master(_) => Ok(vec![self.send(cmd).await?]),
        }
    }

    /// Opens a connection for notices. Another master of a Cluster is taken with each `attempt`.
    pub(crate) async fn pub_sub(&self, attempt: usize, timeouts: Timeouts) -> RedisResult<PubSub> {
        match self {
            Self::Cluster(cluster) => Box::pin(cluster.pub_sub(attempt)).await,
            Self::Master(master) => {
                let open = async { master.client().await?.get_async_pubsub().await };
                within(timeouts.connect, open).await
            }
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cluster(_) => "Cluster",
            Self::Master(_) => "Master",
        })
    }
}
