//! Opens a store.

use std::fmt;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use token_core::PRODUCT;
use tokio::sync::broadcast;

use crate::check;
use crate::connection::{Connection, Servers};
use crate::database::Database;
use crate::error::RedisStoreError;
use crate::feed::Feed;
use crate::identity;
use crate::store::RedisStore;
use crate::timeouts::Timeouts;
use crate::tls::Root;
use crate::watch::Watch;

/// How many endings a slow reader may be behind before it reads the log again.
const NOTICES: usize = 4096;
/// The longest prefix of keys, in bytes.
const LONGEST_PREFIX: usize = 32;

/// The address and the settings of a [`RedisStore`]; [`connect`](Self::connect) opens it.
#[derive(Clone)]
#[must_use]
pub struct RedisStoreBuilder {
    servers: Servers,
    prefix: Box<str>,
    timeouts: Timeouts,
    catch_up_interval: Duration,
    assume_noeviction: bool,
    root: Root,
}

impl RedisStore {
    /// Opens the store on one server with the defaults of [`RedisStoreBuilder`]:
    /// `redis://[[user]:password@]host[:port][/database]`, with TLS `rediss://`, through a Unix
    /// socket `unix:///path`.
    ///
    /// # Errors
    /// [`RedisStoreError`] names what is wrong and how to fix it.
    pub async fn connect(url: &str) -> Result<Self, RedisStoreError> {
        Self::builder(url).connect().await
    }

    /// A store on one server.
    pub fn builder(url: &str) -> RedisStoreBuilder {
        RedisStoreBuilder::new(Servers::Single(url.to_owned()))
    }

    /// A store on a Cluster, found through some of its nodes. Name at least two, so that one
    /// may be away.
    pub fn cluster<U: AsRef<str>>(nodes: impl IntoIterator<Item = U>) -> RedisStoreBuilder {
        let nodes = nodes.into_iter().map(|node| node.as_ref().to_owned());
        RedisStoreBuilder::new(Servers::Cluster(nodes.collect()))
    }

    /// A store on the master that Sentinels know under a name. The URLs are those of the Sentinels,
    /// not of the master.
    pub fn sentinel<U: AsRef<str>>(
        sentinels: impl IntoIterator<Item = U>,
        master: &str,
    ) -> RedisStoreBuilder {
        let sentinels = sentinels.into_iter().map(|url| url.as_ref().to_owned());
        RedisStoreBuilder::new(Servers::Sentinel {
            sentinels: sentinels.collect(),
            master: master.to_owned(),
            login: None,
        })
    }
}

impl RedisStoreBuilder {
    fn new(servers: Servers) -> Self {
        Self {
            servers,
            prefix: PRODUCT.into(),
            timeouts: Timeouts {
                connect: Duration::from_secs(2),
                response: Duration::from_secs(2),
            },
            catch_up_interval: Duration::from_secs(30),
            assume_noeviction: false,
            root: Root::default(),
        }
    }

    /// Default `hallpass`. What all keys and the channel begin with: at most 32 visible ASCII
    /// characters without braces. Applications on one Redis need one each.
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Default 2 seconds. How long one attempt to connect may take.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.timeouts.connect = limit;
        self
    }

    /// Default 2 seconds. How long an answer may take; in a Cluster, which may have to ask
    /// again, twice as long. Keep it below the `store_timeout` of the manager.
    pub fn response_timeout(mut self, limit: Duration) -> Self {
        self.timeouts.response = limit;
        self
    }

    /// Default 30 seconds. How often a node reads the log of endings although it is
    /// subscribed to them: the longest that an ending can go unnoticed if a notice is lost. A node that
    /// starts and finds sessions but not the key to their buckets waits as
    /// long for a running node to put it back.
    pub fn catch_up_interval(mut self, interval: Duration) -> Self {
        self.catch_up_interval = interval;
        self
    }

    /// Takes the caller's word that no server evicts keys, for servers that allow neither `CONFIG GET`
    /// nor `INFO`. If one does evict, it ends sessions, and forgets that others were ended.
    pub fn danger_assume_noeviction(mut self) -> Self {
        self.assume_noeviction = true;
        self
    }

    /// The certificate authority, as PEM, that servers with `rediss://` must be certified by, and those that
    /// Sentinels or a Cluster name. Without it they need a certificate that the operating system trusts
    /// (`SSL_CERT_FILE` names others). A server is checked by the name or address that it is reached by, which
    /// is an address if Sentinels do not announce names (`sentinel resolve-hostnames yes`).
    #[cfg(feature = "tls")]
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root = Root(Some(pem.into()));
        self
    }

    /// The user and password of the master and its replicas, if Sentinels name it. Those
    /// of the Sentinels themselves stand in their URLs, the same in each. Without effect on other stores.
    pub fn master_login(mut self, user: Option<&str>, password: &str) -> Self {
        if let Servers::Sentinel { login, .. } = &mut self.servers {
            *login = Some((user.map(Into::into), password.into()));
        }
        self
    }

    /// Connects, looks whether the servers can be trusted with sessions, loads the scripts,
    /// and subscribes to endings. Must be called in a Tokio runtime.
    ///
    /// # Errors
    /// [`RedisStoreError`] names what is wrong and how to fix it.
    pub async fn connect(self) -> Result<RedisStore, RedisStoreError> {
        // Behind a pointer: the types of redis' futures are deep, and callers add to that.
        Box::pin(self.open()).await
    }

    async fn open(self) -> Result<RedisStore, RedisStoreError> {
        if self.prefix.len() > LONGEST_PREFIX
            || !self
                .prefix
                .chars()
                .all(|c| c.is_ascii_graphic() && c != '{' && c != '}')
        {
            return Err(RedisStoreError::Prefix);
        }
        let connection = Connection::open(&self.servers, self.timeouts, &self.root).await?;
        check::servers(&connection, self.assume_noeviction).await?;
        check::load_scripts(&connection).await?;
        // A node that runs looks every interval, and its calls take no longer than the response time-out.
        let patience = self.catch_up_interval + self.timeouts.response;
        let keys = identity::open(&connection, &self.prefix, patience).await?;
        let database = Database::new(connection, keys);
        let notices = broadcast::channel(NOTICES).0;
        let feed = Feed::start(database.clone(), notices.clone(), self.timeouts).await?;
        let watch = Watch::start(
            database.clone(),
            self.catch_up_interval,
            self.assume_noeviction,
        );
        Ok(RedisStore {
            _watch: watch,
            database,
            notices,
            catch_up_interval: self.catch_up_interval,
            purged: AtomicU32::new(0),
            feed,
        })
    }
}

impl fmt::Debug for RedisStoreBuilder {
    /// URLs may have a password in them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStoreBuilder")
            .field("servers", &"[redacted]")
            .field("prefix", &self.prefix)
            .field("timeouts", &self.timeouts)
            .field("catch_up_interval", &self.catch_up_interval)
            .field("assume_noeviction", &self.assume_noeviction)
            .field("root", &self.root.0.is_some())
            .finish()
    }
}
