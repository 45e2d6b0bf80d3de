#!/usr/bin/env bash
# No client of redis-rs leaves a connection that answers nothing
#
# Versions: redis 1.8.1 (Rust crate), Redis 7.0.15 of Debian 12, Rust 1.95.
#
# Something between a client and Redis forgets a connection: it takes what is sent and answers nothing, while a new connection to
# the same address works. Each command times out, and none of the clients makes a new connection for it, with or without retries:
# not the Cluster client (asynchronous or blocking), nor the ConnectionManager. Only an error that says "closed" counts as a lost
# connection; a time-out does not, on purpose, for the server may be slow. There is no limit after which it does. The Cluster
# client goes on working for the slots of other nodes, and a new client of the same process works for all.
#
# Why it matters: a service behind a balancer or NAT fails for a third of its keys until it is started again, with Redis and the
# network healthy. Count time-outs in a row, throw the client away, and put a limit of your own around each call.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for program in redis-server cargo; do command -v $program >/dev/null || { echo "$program is missing"; exit 2; }; done
mkdir src
cat >Cargo.toml <<'X'
[package]
name = "look"
version = "0.0.0"
edition = "2024"

[dependencies]
redis = { version = "=1.8.1", default-features = false, features = ["cluster-async", "connection-manager", "tokio-comp"] }
tokio = { version = "=1.54.1", features = ["io-util", "net", "rt-multi-thread", "time"] }

[profile.dev]
debug = false
incremental = false
X
cat >src/main.rs <<'X'
use std::error::Error;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use redis::aio::{ConnectionLike, ConnectionManagerConfig};
use redis::cluster::ClusterClientBuilder;
use redis::{Cmd, RedisResult, cmd};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

const PATIENCE: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(100);
/// A key of each node.
const KEYS: [&str; 3] = ["b", "c", "a"];
const SLOTS: [(u16, u16); 3] = [(0, 5460), (5461, 10922), (10923, 16383)];

fn get(node: usize) -> Cmd {
    let mut get = cmd("GET");
    get.arg(KEYS[node]);
    get
}

/// Passes connections on to a node, until it is told to forget all that there are.
#[derive(Default)]
struct Proxy {
    accepted: AtomicUsize,
    forgotten: AtomicUsize,
}

impl Proxy {
    async fn serve(self: Arc<Self>, listener: tokio::net::TcpListener, port: u16) {
        while let Ok((client, _)) = listener.accept().await {
            let number = self.accepted.fetch_add(1, SeqCst);
            let Ok(server) = tokio::net::TcpStream::connect(("127.0.0.1", port)).await else { continue };
            let ((one, to_one), (other, to_other)) = (client.into_split(), server.into_split());
            tokio::spawn(self.clone().pass(number, one, to_other));
            tokio::spawn(self.clone().pass(number, other, to_one));
        }
    }

    async fn pass(self: Arc<Self>, number: usize, mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin) {
        let mut data = [0; 4096];
        while let Ok(length @ 1..) = from.read(&mut data).await {
            // What comes by a forgotten connection is taken, and nothing is said of it.
            if number >= self.forgotten.load(SeqCst) && to.write_all(&data[..length]).await.is_err() {
                return;
            }
        }
    }
}

/// A node of the Cluster, which ends with its owner.
struct Node {
    process: Child,
    port: u16,
    bus: u16,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Node {
    fn ask<T: redis::FromRedisValue>(&self, words: &str) -> RedisResult<T> {
        let mut command = Cmd::new();
        command.arg(words.split(' ').collect::<Vec<_>>());
        command.query(&mut redis::Client::open(("127.0.0.1", self.port))?.get_connection()?)
    }
}

async fn until(what: &str, wanted: impl Fn() -> bool) -> Result<(), Box<dyn Error>> {
    for _ in 0..200 {
        if wanted() {
            return Ok(());
        }
        sleep(Duration::from_millis(100)).await;
    }
    Err(format!("not in time: {what}").into())
}

/// How often a client was asked in the time of the look, and how often it answered.
#[derive(Default)]
struct Seen {
    asked: u32,
    answered: u32,
}

async fn look(mut client: impl ConnectionLike) -> Seen {
    let (begun, mut seen) = (Instant::now(), Seen::default());
    while begun.elapsed() < LOOK {
        seen.asked += 1;
        seen.answered += u32::from(get(0).query_async::<String>(&mut client).await.is_ok());
        sleep(PAUSE).await;
    }
    seen
}

fn look_blocking(mut client: impl redis::ConnectionLike) -> Seen {
    let (begun, mut seen) = (Instant::now(), Seen::default());
    while begun.elapsed() < LOOK {
        seen.asked += 1;
        seen.answered += u32::from(get(0).query::<String>(&mut client).is_ok());
        std::thread::sleep(PAUSE);
    }
    seen
}

async fn run() -> Result<bool, Box<dyn Error>> {
    let free = || TcpListener::bind("127.0.0.1:0");
    let (mut nodes, mut proxies, mut ports) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..3 {
        let (listener, one, other) = (tokio::net::TcpListener::bind("127.0.0.1:0").await?, free()?, free()?);
        let (announced, port, bus) = (listener.local_addr()?.port(), one.local_addr()?.port(), other.local_addr()?.port());
        drop((one, other));
        let flags = format!(
            "--port {port} --cluster-port {bus} --cluster-announce-port {announced} --cluster-announce-ip 127.0.0.1 \
             --bind 127.0.0.1 --cluster-enabled yes --cluster-config-file {number}.conf --dir ."
        );
        let process = Command::new("redis-server").args(flags.split_whitespace()).args(["--save", ""]).stdout(Stdio::null()).spawn()?;
        nodes.push(Node { process, port, bus });
        let proxy = Arc::new(Proxy::default());
        tokio::spawn(proxy.clone().serve(listener, port));
        proxies.push(proxy);
        ports.push(announced);
    }
    for (node, (first, last)) in nodes.iter().zip(SLOTS) {
        until("a node that starts", || node.ask::<String>("PING").is_ok()).await?;
        node.ask::<()>(&format!("CLUSTER ADDSLOTSRANGE {first} {last}"))?;
    }
    for node in &nodes[1..] {
        nodes[0].ask::<()>(&format!("CLUSTER MEET 127.0.0.1 {} {}", node.port, node.bus))?;
    }
    let whole = |state: String| state.contains("cluster_state:ok") && state.contains("cluster_known_nodes:3");
    until("a whole Cluster", || nodes.iter().all(|node| node.ask("CLUSTER INFO").is_ok_and(whole))).await?;
    for (node, key) in nodes.iter().zip(KEYS) {
        node.ask::<()>(&format!("SET {key} 1"))?;
    }

    let url = |node: usize| format!("redis://127.0.0.1:{}/", ports[node]);
    let cluster = || ClusterClientBuilder::new([url(1)]).response_timeout(PATIENCE);
    let mut retries = cluster().build()?.get_async_connection().await?;
    let no_retries = cluster().retries(0).build()?.get_async_connection().await?;
    let blocking = cluster().retries(0).build()?.get_connection()?;
    let config = ConnectionManagerConfig::new().set_response_timeout(Some(PATIENCE));
    let manager = redis::Client::open(url(0))?.get_connection_manager_with_config(config).await?;
    for number in 0..3 {
        get(number).query_async::<String>(&mut retries).await?;
    }

    let before = proxies[0].accepted.load(SeqCst);
    proxies[0].forgotten.store(before, SeqCst);
    let looks = [
        ("Cluster", tokio::spawn(look(retries.clone()))),
        ("Cluster, retries(0)", tokio::spawn(look(no_retries))),
        ("Cluster, blocking, retries(0)", tokio::task::spawn_blocking(move || look_blocking(blocking))),
        ("ConnectionManager", tokio::spawn(look(manager))),
    ];
    let mut same = true;
    for (name, look) in looks {
        let Seen { asked, answered } = look.await?;
        println!("{name}: in {LOOK:?} {asked} commands, {answered} answered");
        same &= asked > 10 && answered == 0;
    }
    let new = proxies[0].accepted.load(SeqCst) - before;
    println!("new connections to the node: {new}");
    same &= new == 0;

    let mut fresh = cluster().build()?.get_async_connection().await?;
    for number in 0..3 {
        let old = get(number).query_async::<String>(&mut retries).await.is_ok();
        let new = get(number).query_async::<String>(&mut fresh).await.is_ok();
        println!("at the end, node {number}: the old client answers: {old}, a new one: {new}");
        same &= old == (number != 0) && new;
    }
    println!("{}", if same { "as described" } else { "CHANGED" });
    Ok(same)
}

fn main() -> Result<(), Box<dyn Error>> {
    let same = tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run())?;
    std::process::exit(if same { 0 } else { 1 });
}
X
cargo build --quiet
target/debug/look
