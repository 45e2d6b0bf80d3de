//! The store passes the contract suite on one server and on a Cluster of three masters.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod single {
    use store_redis::RedisStore;

    async fn store() -> RedisStore {
        RedisStore::connect(&testbed::redis::shared_url())
            .await
            .unwrap()
    }

    token_store::store_contract!(store);
}

mod cluster {
    use store_redis::RedisStore;

    async fn store() -> RedisStore {
        let nodes = testbed::redis::shared_cluster().iter();
        let nodes = nodes.map(testbed::redis::Server::url);
        RedisStore::cluster(nodes).connect().await.unwrap()
    }

    token_store::store_contract!(store);
}
