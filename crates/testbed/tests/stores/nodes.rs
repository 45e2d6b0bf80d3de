//! Two nodes on each of the stores.

use std::sync::Arc;
use std::time::Duration;

use store_redis::{RedisStore, RedisStoreBuilder};
use store_sql::SqliteStore;
use store_sql::postgres::PostgresStoreOptions;
use store_sql::sqlite::SqliteStoreOptions;
use tempfile::TempDir;
use testbed::redis::{Server, shared_cluster, shared_url};
use token_core::Policy;
use token_session::test_util::{TestClock, test_issuer};
use token_session::{MemoryStore, SessionManager, SessionStore};

/// How long a busy machine may take to one call; no test here is about a limit.
const PATIENCE: Duration = Duration::from_secs(30);

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
            // As long as the time-out asks for.
            let policy = Policy::builder().store_margin(2 * PATIENCE);
            let issuer = test_issuer(policy.build().unwrap());
            let builder = SessionManager::builder(Arc::clone(store), issuer);
            let builder = builder.clock(clock.clone()).view_capacity(16);
            builder.store_timeout(PATIENCE).build().unwrap()
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
    let options = SqliteStoreOptions::new().busy_timeout(PATIENCE);
    let open = async || options.clone().open(&file).await.unwrap();
    Nodes {
        _folder: Some(folder),
        ..Nodes::new(open().await, open().await)
    }
}

pub(crate) async fn postgres() -> Nodes<store_sql::PostgresStore> {
    let schema = format!("hallpass_test_{:016x}", fastrand::u64(..));
    let options = PostgresStoreOptions::new()
        .schema(schema)
        .acquire_timeout(PATIENCE)
        .statement_timeout(PATIENCE);
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
    two(|| RedisStore::builder(&url).prefix(&prefix)).await
}

/// Of three masters.
pub(crate) async fn cluster() -> Nodes<RedisStore> {
    let prefix = format!("{:016x}:", fastrand::u64(..));
    let urls = shared_cluster().iter().map(Server::url);
    let urls: Vec<String> = urls.collect();
    two(|| RedisStore::cluster(&urls).prefix(&prefix)).await
}

async fn two(builder: impl Fn() -> RedisStoreBuilder) -> Nodes<RedisStore> {
    let open = async || {
        let builder = builder().connect_timeout(PATIENCE);
        builder.response_timeout(PATIENCE).connect().await.unwrap()
    };
    Nodes::new(open().await, open().await)
}

/// The seed that `HALLPASS_SEED` names.
pub(crate) fn seed() -> Option<u64> {
    let seed = std::env::var("HALLPASS_SEED").ok()?;
    Some(seed.parse().expect("HALLPASS_SEED is a number"))
}
