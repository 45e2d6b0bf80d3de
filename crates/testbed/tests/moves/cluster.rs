//! Redis, in a Cluster.

use store_redis::RedisStore;
use testbed::redis::cluster;
use token_session::SessionStore as _;
use token_session::store::Notice;
use tokio::task::block_in_place;

use crate::FEED;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notices_come_although_the_only_node_that_was_named_is_gone() {
    let mut servers = block_in_place(|| cluster(3, &[]));
    let named = [servers.first().unwrap().url()];
    let store = RedisStore::cluster(named).connect().await.unwrap();
    let mut notices = store.subscribe();
    block_in_place(|| servers.first_mut().unwrap().kill());
    for expected in [Notice::Gap, Notice::Resumed] {
        let notice = tokio::time::timeout(FEED, notices.recv()).await;
        assert_eq!(notice.unwrap().unwrap(), expected);
    }
}
