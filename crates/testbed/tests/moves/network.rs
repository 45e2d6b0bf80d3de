//! Hosts that vanish with all their connections while their name leads to another. These tests make networks,
//! for which they have to be root: `cargo xtask test long` runs them.

use std::time::Instant;

use store_redis::RedisStore;
use store_sql::PostgresStore;
use testbed::network::Network;
use testbed::postgres::Server;
use testbed::{redis, wait_until};
use tokio::task::block_in_place;

use crate::postgres::has;
use crate::{ended, login, node, recovers, recovers_since};

#[ignore = "makes networks, which only root may: cargo xtask test long"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_that_vanishes_is_left() {
    let Some(network) = Network::enter("network::a_postgresql_that_vanishes_is_left") else {
        return;
    };
    let (one, other) = (network.host(2), network.host(3));
    let primary = block_in_place(|| Server::start_on(&one));
    network.name("database", &one);
    // Both listen at the same port, each on its host.
    let url = format!("postgres://postgres@database:{}/postgres", primary.port());
    let node = node(PostgresStore::connect(&url).await.unwrap()).await;
    let standby = block_in_place(|| primary.standby_on(&other));
    let ended = ended(&node).await;
    let last = login(&node).await.unwrap().session().id;
    has(&standby, last).await;

    one.vanish();
    block_in_place(|| standby.promote());
    network.name("database", &other);
    recovers(&node, &ended).await;
}

/// Waits until the replica has all that was written.
fn follows(replica: &redis::Server, master: &redis::Server) {
    let written = master.info("master_repl_offset");
    wait_until("the replica has it", || {
        replica.info("slave_repl_offset") >= written
    });
}

#[ignore = "makes networks, which only root may: cargo xtask test long"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_vanishes_is_left() {
    let Some(network) = Network::enter("network::a_redis_that_vanishes_is_left") else {
        return;
    };
    let (one, other) = (network.host(2), network.host(3));
    let master = block_in_place(|| redis::Server::start_on(&one));
    let replica = block_in_place(|| master.replica_on(&other));
    network.name("redis", &one);
    let url = format!("redis://redis:{}/", master.port);
    let node = node(RedisStore::connect(&url).await.unwrap()).await;
    let ended = ended(&node).await;
    block_in_place(|| follows(&replica, &master));

    one.vanish();
    let _: () = replica.ask(&["REPLICAOF", "NO", "ONE"]);
    network.name("redis", &other);
    recovers(&node, &ended).await;
}

#[ignore = "makes networks, which only root may: cargo xtask test long"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_behind_a_sentinel_that_vanishes_is_left() {
    let name = "network::a_master_behind_a_sentinel_that_vanishes_is_left";
    let Some(network) = Network::enter(name) else {
        return;
    };
    let (one, other, third) = (network.host(2), network.host(3), network.host(4));
    let master = block_in_place(|| redis::Server::start_on(&one));
    let replica = block_in_place(|| master.replica_on(&other));
    let sentinel = block_in_place(|| master.sentinel_on("sessions", &third));
    block_in_place(|| {
        wait_until("the Sentinel knows the replica", || {
            let replicas: ::redis::Value = sentinel.ask(&["SENTINEL", "REPLICAS", "sessions"]);
            format!("{replicas:?}").contains(other.address())
        });
    });
    let store = RedisStore::sentinel([sentinel.url()], "sessions");
    let node = node(store.connect().await.unwrap()).await;
    let ended = ended(&node).await;
    block_in_place(|| follows(&replica, &master));

    one.vanish();
    block_in_place(|| {
        wait_until("the replica takes over", || {
            let replication = replica.try_ask::<String>(&["INFO", "replication"]);
            replication.is_ok_and(|told| told.contains("role:master"))
        });
    });
    recovers_since(Instant::now(), &node, &ended).await;
}
