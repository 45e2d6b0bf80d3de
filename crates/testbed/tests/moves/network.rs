//! Hosts that vanish with all their connections while their name leads to another. These tests make networks,
//! for which they have to be root: `cargo xtask test long` runs them.

use store_sql::PostgresStore;
use testbed::network::Network;
use testbed::postgres::Server;
use tokio::task::block_in_place;

use crate::postgres::has;
use crate::{ended, login, node, recovers};

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
