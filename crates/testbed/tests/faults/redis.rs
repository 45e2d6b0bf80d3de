//! Redis under faults, alone, in a Cluster, and with a replica that takes over.

use std::time::Duration;

use store_redis::RedisStore;
use testbed::proxy::Proxy;
use testbed::redis::{Server, cluster};
use testbed::wait_until;
use token_core::Policy;
use token_core::session::{DenialReason, PolicyBuilder};
use token_session::RefreshError;
use tokio::task::block_in_place;

use crate::client::Client;
use crate::load::{Load, STILL, opened};

const MOMENT: Duration = Duration::from_millis(400);
const LIMIT: Duration = Duration::from_millis(600);

/// Whatever was answered is on the disk.
const DURABLE: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

async fn load(port: u16, policy: &Policy) -> Load {
    let url = format!("redis://127.0.0.1:{port}/");
    let open = async || {
        let builder = RedisStore::builder(&url).connect_timeout(LIMIT);
        builder.response_timeout(LIMIT).connect().await
    };
    Load::start([opened(open).await, opened(open).await], policy)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_and_comes_back() {
    let mut server = Server::start(&DURABLE);
    let mut load = load(server.port, &Policy::default()).await;
    for _ in 0..3 {
        load.work().await;
        block_in_place(|| server.kill());
        load.suffer(MOMENT).await;
        block_in_place(|| server.resume());
    }
    load.work().await;
    load.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stands_still() {
    let server = Server::start(&[]);
    let mut load = load(server.port, &Policy::default()).await;
    load.work().await;
    server.freeze();
    load.suffer(STILL).await;
    server.thaw();
    load.work().await;
    load.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_break_in_the_middle_of_an_answer() {
    let server = Server::start(&[]);
    let proxy = Proxy::start(server.port);
    let mut load = load(proxy.port(), &Policy::default()).await;
    load.work().await;
    proxy.cut_one_in(20);
    load.run(MOMENT * 5, |_| proxy.cuts() >= 5).await;
    proxy.cut_one_in(0);
    println!("{} answers were cut", proxy.cuts());
    load.work().await;
    load.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_of_a_cluster_that_is_killed_and_comes_back() {
    let mut servers = cluster(3, &DURABLE);
    let urls: Vec<String> = servers.iter().map(Server::url).collect();
    let open = async || {
        let builder = RedisStore::cluster(&urls).connect_timeout(LIMIT);
        builder.response_timeout(LIMIT / 2).connect().await
    };
    let nodes = [opened(open).await, opened(open).await];
    let mut load = Load::start(nodes, &Policy::default());
    load.work().await;
    for server in &mut servers {
        block_in_place(|| server.kill());
        load.suffer(MOMENT).await;
        block_in_place(|| server.resume());
        load.work().await;
    }
    load.check().await;
}

/// A master is lost, and with it the last writes, which the replica that takes over had not
/// received.
async fn after_a_failover(policy: PolicyBuilder) -> (Server, Proxy, Vec<Client>) {
    let mut master = Server::start(&["--repl-diskless-sync-delay", "0"]);
    let link = Proxy::start(master.port);
    let port = link.port().to_string();
    let replica = Server::start(&["--replicaof", "127.0.0.1", &port]);
    let replication = || replica.ask::<String>(&["INFO", "replication"]);
    wait_until("the replica follows", || {
        replication().contains("master_link_status:up")
    });
    let address = Proxy::start(master.port);
    let policy = policy.build().unwrap();
    let mut load = load(address.port(), &policy).await;
    load.work().await;
    let written = master.info("master_repl_offset");
    wait_until("the replica has it", || {
        replica.info("slave_repl_offset") >= written
    });
    link.lead_to(0);
    load.work().await;
    let clients = load.abandon(|| block_in_place(|| master.kill())).await;
    let _: () = replica.ask(&["REPLICAOF", "NO", "ONE"]);
    address.lead_to(replica.port);
    (replica, address, clients)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_without_the_last_writes_takes_over_and_newer_tokens_are_refused() {
    let (_replica, _address, clients) = after_a_failover(Policy::builder()).await;
    let (mut refused, mut back) = (0, 0);
    for mut client in clients {
        let Some(tokens) = client.tokens.take() else {
            continue;
        };
        let newest = tokens.newest();
        let mut accepted = None;
        for token in tokens.0.values().rev() {
            match client.present(token).await.unwrap() {
                Ok(issued) => {
                    accepted = Some(issued);
                    break;
                }
                Err(RefreshError::Denied(denial)) => {
                    // Of a session that was opened after the last write that arrived, no
                    // token is known.
                    assert_eq!(denial.reason(), DenialReason::Unknown, "{denial}");
                    refused += 1;
                }
                Err(error) => panic!("{error}"),
            }
        }
        let Some(accepted) = accepted else {
            continue;
        };
        back += 1;
        // The lost branch stays dead, and does not end the living one.
        let next = accepted.tokens().unwrap().refresh_token.secret().to_owned();
        if next != newest && !tokens.0.values().any(|token| *token == next) {
            let answer = client.present(&newest).await.unwrap();
            assert!(matches!(answer, Err(RefreshError::Denied(_))), "{answer:?}");
        }
        client.clock.advance(Duration::from_secs(46));
        let _ = client.present(&next).await.unwrap().unwrap();
    }
    println!("{refused} tokens were refused; {back} sessions go on from an older one");
    assert!(
        refused > 0 && back > 0,
        "no write was lost, or every session"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_without_the_last_writes_takes_over_and_newer_tokens_are_adopted() {
    let (_replica, _address, clients) =
        after_a_failover(Policy::builder().adopt_lost_writes()).await;
    let (mut kept, mut unknown) = (0, 0);
    for mut client in clients {
        let Some(tokens) = client.tokens.take() else {
            continue;
        };
        let newest = tokens.newest();
        match client.present(&newest).await.unwrap() {
            Ok(issued) => {
                kept += 1;
                client.clock.advance(Duration::from_secs(46));
                let next = issued.tokens().unwrap().refresh_token.secret().to_owned();
                let _ = client.present(&next).await.unwrap().unwrap();
            }
            Err(RefreshError::Denied(denial)) => {
                // The login itself was lost.
                assert_eq!(denial.reason(), DenialReason::Unknown, "{denial}");
                unknown += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    println!("{kept} sessions were kept, {unknown} are unknown");
    assert!(kept > 0, "no session was there before");
}
