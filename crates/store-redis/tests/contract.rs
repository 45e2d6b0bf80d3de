//! The store passes the contract suite on one server and on a Cluster of three masters. Each test
//! has keys and a channel of its own, so that none hears another's notices, and waits for as long as
//! a busy machine may need.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::time::Duration;

use store_redis::{RedisStore, RedisStoreBuilder};

async fn own(builder: RedisStoreBuilder) -> RedisStore {
    let patience = Duration::from_secs(30);
    let prefix = format!("{:016x}:", fastrand::u64(..));
    let builder = builder.prefix(&prefix).connect_timeout(patience);
    builder.response_timeout(patience).connect().await.unwrap()
}

mod single {
    use store_redis::RedisStore;

    async fn store() -> RedisStore {
        super::own(RedisStore::builder(&testbed::redis::shared_url())).await
    }

    token_session::store_contract!(store);
}

mod cluster {
    use store_redis::RedisStore;

    async fn store() -> RedisStore {
        let nodes = testbed::redis::shared_cluster().iter();
        let nodes = nodes.map(testbed::redis::Server::url);
        super::own(RedisStore::cluster(nodes)).await
    }

    token_session::store_contract!(store);
}
