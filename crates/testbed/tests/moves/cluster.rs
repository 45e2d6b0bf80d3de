//! Redis, in a Cluster.

use std::time::Duration;

use store_redis::RedisStore;
use testbed::redis::{Server, cluster, cluster_behind_proxies, leave};
use token_session::store::Notice;
use token_session::{SessionManager, SessionStore as _};
use tokio::task::{JoinHandle, block_in_place};

use crate::{FEED, ended, login, node, recovers};

/// Longer than the store waits for anything.
const STILL: Duration = Duration::from_secs(8);

async fn open(servers: &[Server]) -> RedisStore {
    let store = RedisStore::cluster(servers.iter().map(Server::url));
    store.connect().await.unwrap()
}

/// Logs in all the time, whatever comes of it.
fn load(manager: &SessionManager) -> JoinHandle<()> {
    let manager = manager.clone();
    tokio::spawn(async move {
        loop {
            let logins = (0..8).map(|_| login(&manager));
            let _ = futures_util::future::join_all(logins).await;
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stood_still_is_used_again() {
    let servers = block_in_place(|| cluster(3, &[]));
    let node = node(open(&servers).await).await;
    let ended = ended(&node).await;
    let load = load(&node);
    servers[0].freeze();
    tokio::time::sleep(STILL).await;
    servers[0].thaw();
    recovers(&node, &ended).await;
    load.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_stood_still_is_used_again() {
    let servers = block_in_place(|| cluster(3, &[]));
    let node = node(open(&servers).await).await;
    let ended = ended(&node).await;
    let load = load(&node);
    servers.iter().for_each(Server::freeze);
    tokio::time::sleep(STILL).await;
    servers.iter().for_each(Server::thaw);
    recovers(&node, &ended).await;
    load.abort();
}

/// Their hosts acknowledge what comes, and say nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_to_nodes_that_freeze_are_replaced() {
    for frozen in [1, 3] {
        let (_servers, proxies) = block_in_place(|| cluster_behind_proxies(3));
        let urls = proxies
            .iter()
            .map(|one| format!("redis://127.0.0.1:{}/", one.port()));
        let node = node(RedisStore::cluster(urls).connect().await.unwrap()).await;
        let ended = ended(&node).await;
        let load = load(&node);
        for proxy in proxies.iter().take(frozen) {
            proxy.freeze();
        }
        recovers(&node, &ended).await;
        load.abort();
    }
}

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

/// It still answers a client that asks for a sign of life, and hears nothing any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_has_left_is_not_listened_to() {
    let servers = block_in_place(|| cluster(3, &[]));
    let store = open(&servers).await;
    let mut notices = store.subscribe();
    let listens = |server: &Server| {
        let channels: Vec<redis::Value> = server.ask(&["PUBSUB", "CHANNELS"]);
        !channels.is_empty()
    };
    let left = servers.iter().position(listens).unwrap();
    block_in_place(|| leave(&servers, left));
    for expected in [Notice::Gap, Notice::Resumed] {
        let notice = tokio::time::timeout(FEED, notices.recv()).await;
        assert_eq!(notice.unwrap().unwrap(), expected);
    }
    assert!(
        servers
            .iter()
            .enumerate()
            .any(|(number, one)| number != left && listens(one))
    );
}
