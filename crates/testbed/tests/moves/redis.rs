//! Redis, at one address.

use store_redis::RedisStore;
use testbed::proxy::Proxy;
use testbed::redis::Server;
use testbed::wait_until;
use token_session::SessionStore as _;
use token_session::store::Notice;
use tokio::task::block_in_place;

use crate::{FEED, ended, node, recovers};

async fn open(proxy: &Proxy) -> RedisStore {
    let url = format!("redis://127.0.0.1:{}/", proxy.port());
    RedisStore::connect(&url).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_freeze_are_replaced() {
    let server = Server::start(&[]);
    let proxy = Proxy::start(server.port);
    let node = node(open(&proxy).await).await;
    let ended = ended(&node).await;
    proxy.freeze();
    recovers(&node, &ended).await;
}

fn replica_of(master: &Server) -> Server {
    let port = master.port.to_string();
    let replica = Server::start(&["--replicaof", "127.0.0.1", &port]);
    wait_until("the replica follows", || {
        let replication: String = replica.ask(&["INFO", "replication"]);
        replication.contains("master_link_status:up")
    });
    replica
}

/// As managed primaries move: both live, and the connections to the old one stay open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_is_demoted_and_lives_on_is_left() {
    let master = Server::start(&["--repl-diskless-sync-delay", "0"]);
    let replica = block_in_place(|| replica_of(&master));
    let proxy = Proxy::start(master.port);
    let node = node(open(&proxy).await).await;
    let ended = ended(&node).await;
    let written = master.info("master_repl_offset");
    block_in_place(|| {
        wait_until("the replica has it", || {
            replica.info("slave_repl_offset") >= written
        });
    });
    let _: () = replica.ask(&["REPLICAOF", "NO", "ONE"]);
    // It follows nobody that is there, so that nothing reaches it any more.
    let nobody = testbed::free_port().to_string();
    let _: () = master.ask(&["REPLICAOF", "127.0.0.1", &nobody]);
    proxy.lead_new_to(replica.port);
    recovers(&node, &ended).await;
}

/// Nothing else says so: commands go another way, and are answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_that_freezes_alone_is_made_anew() {
    let server = Server::start(&[]);
    let proxy = Proxy::start(server.port);
    let store = open(&proxy).await;
    let mut notices = store.subscribe();
    // The first one is for commands.
    proxy.freeze_one(1);
    for expected in [Notice::Gap, Notice::Resumed] {
        let notice = tokio::time::timeout(FEED, notices.recv()).await;
        assert_eq!(notice.unwrap().unwrap(), expected);
    }
}
