//! Two nodes on each of the stores.

use std::sync::Arc;

use store_redis::{RedisStore, RedisStoreError};
use store_sql::SqliteStore;
use store_sql::postgres::PostgresStoreOptions;
use tempfile::TempDir;
use testbed::redis::{Server, shared_cluster, shared_url};
use token_core::Policy;
use token_store::test_util::{TestClock, test_issuer};
use token_store::{MemoryStore, SessionManager, SessionStore};

/// Two nodes on a store that nobody else uses.
pub(crate) struct Nodes<S> {
    stores: [Arc<S>; 2],
    _folder: Option<TempDir>,
}

impl<S: SessionStore> Nodes<S> {
    fn new(one: S, other: S) -> Self {
        Self {
            stores: [Arc::new(one), Arc::new(other)],
            _folder: None,
        }
    }

    /// A manager on each, both by one clock.
    pub(crate) fn managers(&self, clock: &TestClock) -> [SessionManager; 2] {
        self.stores.each_ref().map(|store| {
            let issuer = test_issuer(Policy::default());
            let builder = SessionManager::builder(Arc::clone(store), issuer);
            let builder = builder.clock(clock.clone()).view_capacity(16);
            builder.build().unwrap()
        })
    }
}

/// One store in one process: both are the same.
pub(crate) async fn memory() -> Nodes<MemoryStore> {
    let store = Arc::new(MemoryStore::new(1_000_000, &[7; 32]));
    Nodes {
        stores: [Arc::clone(&store), store],
        _folder: None,
    }
}

pub(crate) async fn sqlite() -> Nodes<SqliteStore> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sessions.db");
    let open = async || SqliteStore::open(&file).await.unwrap();
    Nodes {
        _folder: Some(folder),
        ..Nodes::new(open().await, open().await)
    }
}

pub(crate) async fn postgres() -> Nodes<store_sql::PostgresStore> {
    let schema = format!("tokens_test_{:016x}", fastrand::u64(..));
    let options = PostgresStoreOptions::new().schema(schema);
    let open = async || {
        options
            .clone()
            .connect(testbed::postgres::url())
            .await
            .unwrap()
    };
    Nodes::new(open().await, open().await)
}

pub(crate) async fn redis() -> Nodes<RedisStore> {
    let prefix = format!("{:016x}:", fastrand::u64(..));
    let url = shared_url();
    let open = async || RedisStore::builder(&url).prefix(&prefix).connect().await;
    two(open).await
}

/// Of three masters.
pub(crate) async fn cluster() -> Nodes<RedisStore> {
    let prefix = format!("{:016x}:", fastrand::u64(..));
    let urls = shared_cluster().iter().map(Server::url);
    let urls: Vec<String> = urls.collect();
    let open = async || RedisStore::cluster(&urls).prefix(&prefix).connect().await;
    two(open).await
}

async fn two(open: impl AsyncFn() -> Result<RedisStore, RedisStoreError>) -> Nodes<RedisStore> {
    Nodes::new(open().await.unwrap(), open().await.unwrap())
}

/// The seed that `TOKENS_SEED` names.
pub(crate) fn seed() -> Option<u64> {
    let seed = std::env::var("TOKENS_SEED").ok()?;
    Some(seed.parse().expect("TOKENS_SEED is a number"))
}
