//! Redis, behind a Sentinel that makes a replica the master.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

use store_redis::RedisStore;
use testbed::proxy::Proxy;
use testbed::redis::Server;
use testbed::wait_until;
use token_session::{RefreshError, SessionManager};
use tokio::task::block_in_place;

use crate::{CALLS, ended, login, node, recovers_since};

const NAME: &str = "sessions";

/// A master that everybody reaches through a proxy, its replica, and a Sentinel that knows both.
struct Servers {
    master: Server,
    network: Proxy,
    replica: Server,
    sentinel: Server,
}

impl Servers {
    fn start() -> Self {
        let master = Server::start(&["--repl-diskless-sync-delay", "0"]);
        let network = Proxy::start(master.port);
        let port = network.port().to_string();
        let replica = Server::start(&["--replicaof", "127.0.0.1", &port]);
        let sentinel = Server::sentinel_at(NAME, network.port(), "");
        wait_until("the Sentinel knows the replica", || {
            let replicas: redis::Value = sentinel.ask(&["SENTINEL", "REPLICAS", NAME]);
            format!("{replicas:?}").contains(&replica.port.to_string())
                && replication(&replica).contains("master_link_status:up")
        });
        Self {
            master,
            network,
            replica,
            sentinel,
        }
    }

    /// A node that follows the feed.
    async fn node(&self) -> SessionManager {
        self.node_that_asks([self.sentinel.url()]).await
    }

    async fn node_that_asks(&self, sentinels: impl IntoIterator<Item = String>) -> SessionManager {
        let store = RedisStore::sentinel(sentinels, NAME);
        node(store.connect().await.unwrap()).await
    }

    /// A session that has ended, which the replica knows.
    async fn ended(&self, node: &SessionManager) -> String {
        let ended = ended(node).await;
        let written = self.master.info("master_repl_offset");
        block_in_place(|| {
            wait_until("the replica has it", || {
                self.replica.info("slave_repl_offset") >= written
            });
        });
        ended
    }

    /// Calls go on all the while. Once the replica is the master, they succeed.
    async fn recover(&self, node: &SessionManager, ended: &str) {
        let calls = tokio::spawn({
            let (node, ended) = (node.clone(), ended.to_owned());
            async move {
                loop {
                    match node.refresh(&ended, None).await {
                        Err(RefreshError::Denied(_) | RefreshError::Store(_)) => {}
                        other => panic!("a session that has ended: {other:?}"),
                    }
                    let _ = login(&node).await;
                }
            }
        });
        block_in_place(|| {
            wait_until("the replica takes over", || {
                assert!(!calls.is_finished(), "a session that has ended lives");
                replication(&self.replica).contains("role:master")
            });
        });
        calls.abort();
        let start = Instant::now();
        while !self.is_written_by(node).await {
            assert!(start.elapsed() < CALLS, "what is written goes elsewhere");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        recovers_since(start, node, ended).await;
    }

    /// Whether a login arrives at the new master.
    async fn is_written_by(&self, node: &SessionManager) -> bool {
        let Ok(issued) = login(node).await else {
            return false;
        };
        let id = issued.session().id;
        block_in_place(|| {
            let keys = self.replica.try_ask(&["KEYS", "hallpass{*}*"]);
            let keys: Vec<Vec<u8>> = keys.unwrap_or_default();
            keys.iter().any(|key| key.ends_with(id.as_bytes()))
        })
    }
}

/// Empty if it does not say: a Sentinel closes the connections of whom it gives another role.
fn replication(server: &Server) -> String {
    let said = server.try_ask(&["INFO", "replication"]);
    said.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_is_stopped_is_left() {
    let mut servers = block_in_place(Servers::start);
    let node = servers.node().await;
    let ended = servers.ended(&node).await;
    block_in_place(|| servers.master.terminate());
    servers.recover(&node, &ended).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_the_sentinel_demotes_is_left() {
    let servers = block_in_place(Servers::start);
    let node = servers.node().await;
    let ended = servers.ended(&node).await;
    // It promotes none that had no link to the master when it asked last, which it does each ten seconds.
    block_in_place(|| {
        wait_until("the Sentinel finds the replica good enough", || {
            let failover = ["SENTINEL", "FAILOVER", NAME];
            servers.sentinel.try_ask::<()>(&failover).is_ok()
        });
    });
    servers.recover(&node, &ended).await;
}

/// By hand, as no Sentinel does it.
#[ignore = "takes half a minute, until the Sentinel believes it: cargo xtask test long"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_is_made_a_replica_is_left() {
    let servers = block_in_place(Servers::start);
    let node = servers.node().await;
    let ended = servers.ended(&node).await;
    let port = servers.replica.port.to_string();
    let _: () = servers.master.ask(&["REPLICAOF", "127.0.0.1", &port]);
    servers.recover(&node, &ended).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_freezes_is_left() {
    let servers = block_in_place(Servers::start);
    let node = servers.node().await;
    let ended = servers.ended(&node).await;
    servers.master.freeze();
    servers.recover(&node, &ended).await;
    servers.master.thaw();
}

/// It lives, and nothing reaches it: neither what is connected nor what connects.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_cannot_be_reached_is_left() {
    let servers = block_in_place(Servers::start);
    let node = servers.node().await;
    let ended = servers.ended(&node).await;
    servers.network.freeze_new();
    servers.network.freeze();
    servers.recover(&node, &ended).await;
}

/// What it would be told would be lost when it hears of the new master.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_only_this_node_reaches_is_left() {
    let servers = block_in_place(Servers::start);
    let others = servers.network.round_trips().len();
    let node = servers.node().await;
    let ended = servers.ended(&node).await;
    servers.network.freeze_new();
    for connection in 0..others {
        servers.network.freeze_one(connection);
    }
    servers.recover(&node, &ended).await;
}

/// A Sentinel that was parted from the others and goes on to name the first master, which can be reached.
fn parted_sentinel(master: u16) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let fields = [
        ("name", NAME),
        ("ip", "127.0.0.1"),
        ("port", &*master.to_string()),
        ("flags", "master"),
        ("config-epoch", "0"),
    ];
    let text = |text: &str| format!("${}\r\n{text}\r\n", text.len());
    let texts = fields.map(|(name, value)| text(name) + &text(value));
    let masters = format!("*1\r\n*{}\r\n{}", 2 * fields.len(), texts.concat());
    let answer = move |words: &[String]| match &*words.first().unwrap().to_ascii_uppercase() {
        "SENTINEL" => masters.clone(),
        _ => "+OK\r\n".to_owned(),
    };
    thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            let answer = answer.clone();
            thread::spawn(move || {
                let mut writer = connection.try_clone().unwrap();
                let mut lines = BufReader::new(connection).lines().map_while(Result::ok);
                while let Some(count) = lines.next() {
                    let count: usize = count.trim_start_matches('*').parse().unwrap();
                    let words: Vec<String> = lines.by_ref().take(2 * count).collect();
                    let words: Vec<String> = words.into_iter().skip(1).step_by(2).collect();
                    if writer.write_all(answer(&words).as_bytes()).is_err() {
                        break;
                    }
                }
            });
        }
    });
    format!("redis://127.0.0.1:{port}/")
}

/// The first Sentinel in the list is of the minority.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sentinel_that_has_missed_the_election_is_not_believed() {
    let servers = block_in_place(Servers::start);
    let parted = parted_sentinel(servers.master.port);
    let node = servers
        .node_that_asks([parted, servers.sentinel.url()])
        .await;
    let ended = servers.ended(&node).await;
    servers.network.freeze_new();
    servers.network.freeze();
    servers.recover(&node, &ended).await;
}
