//! Redis servers.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use redis::{Client, Connection, FromRedisValue};
use tempfile::TempDir;

use crate::network::Host;
use crate::proxy::Proxy;
use crate::tls::Authority;
use crate::{free_port, wait_until};

/// The address that `HALLPASS_TEST_REDIS_URL` names, or that of a server of this process.
pub fn shared_url() -> String {
    static SERVER: OnceLock<Server> = OnceLock::new();
    std::env::var("HALLPASS_TEST_REDIS_URL")
        .unwrap_or_else(|_| SERVER.get_or_init(|| Server::start(&[])).url())
}

/// A Cluster of three masters of this process.
pub fn shared_cluster() -> &'static [Server] {
    static CLUSTER: OnceLock<Vec<Server>> = OnceLock::new();
    CLUSTER.get_or_init(|| cluster(3, &[]))
}

const LOOPBACK: &str = "127.0.0.1";
/// Takes calls of other hosts.
const OPEN: &[&str] = &["--protected-mode", "no"];

/// A server that this process started.
#[derive(Debug)]
pub struct Server {
    /// Its port, on the loopback interface unless it is on a host of a test's network.
    pub port: u16,
    address: String,
    /// What a command begins with to be run there.
    inside: String,
    arguments: Vec<String>,
    folder: TempDir,
    /// A shell that ends the server when its input ends: with this process, however that
    /// ends. Without a word before it deletes the folder, too.
    shell: Option<Child>,
    process: u32,
}

impl Server {
    /// Starts one with further arguments, and waits until it answers.
    pub fn start(arguments: &[&str]) -> Self {
        let mut server = Self::prepare(&[&["--save", ""], arguments].concat(), None);
        server.resume();
        server
    }

    /// Starts one on a host of a test's network.
    pub fn start_on(host: &Host) -> Self {
        let mut server = Self::prepare(&[&["--save", ""], OPEN].concat(), Some(host));
        server.resume();
        server
    }

    /// Starts a replica on another host, and waits until it follows. It has the same port: a name leads to a host,
    /// and says nothing of ports.
    #[must_use]
    pub fn replica_on(&self, host: &Host) -> Self {
        let port = self.port.to_string();
        let follows = ["--save", "", "--replicaof", &self.address, &port];
        let mut replica = Self::prepare(&[&follows, OPEN].concat(), Some(host));
        replica.port = self.port;
        replica.resume();
        wait_until("the replica follows", || {
            let replication: String = replica.ask(&["INFO", "replication"]);
            replication.contains("master_link_status:up")
        });
        replica
    }

    /// Starts a Sentinel on a host, which watches this master under a name.
    #[must_use]
    pub fn sentinel_on(&self, name: &str, host: &Host) -> Self {
        let arguments = [&["sentinel.conf", "--sentinel"], OPEN].concat();
        let mut sentinel = Self::prepare(&arguments, Some(host));
        sentinel.watch(name, (&self.address, self.port), "");
        sentinel.resume();
        sentinel
    }

    /// Starts a Sentinel that watches a master under a name, and alone decides that it is gone: not
    /// before it has said nothing for so long that it does not just stand still on a busy machine.
    pub fn sentinel(name: &str, master: &Self) -> Self {
        Self::sentinel_at(name, master.port, "")
    }

    /// The same for a master that it reaches at this port, with more lines in its file of settings.
    pub fn sentinel_at(name: &str, port: u16, more: &str) -> Self {
        let mut sentinel = Self::prepare(&["sentinel.conf", "--sentinel"], None);
        sentinel.watch(name, (LOOPBACK, port), more);
        sentinel.resume();
        sentinel
    }

    fn watch(&self, name: &str, (address, port): (&str, u16), more: &str) {
        let settings = format!(
            "{more}\n\
             sentinel monitor {name} {address} {port} 1\n\
             sentinel down-after-milliseconds {name} 5000\n\
             sentinel failover-timeout {name} 3000\n"
        );
        fs::write(self.folder.path().join("sentinel.conf"), settings).unwrap();
    }

    fn prepare(arguments: &[&str], host: Option<&Host>) -> Self {
        let folder = tempfile::Builder::new().prefix("hallpass-redis-").tempdir();
        Self {
            port: free_port(),
            address: host.map_or(LOOPBACK, Host::address).to_owned(),
            inside: host.map(Host::inside).unwrap_or_default(),
            arguments: arguments.iter().map(ToString::to_string).collect(),
            folder: folder.unwrap(),
            shell: None,
            process: 0,
        }
    }

    fn argument(&self, name: &str) -> &str {
        let mut arguments = self.arguments.iter();
        arguments.find(|argument| *argument == name).expect("given");
        arguments.next().expect("with a value")
    }

    /// Its address, without a password.
    pub fn url(&self) -> String {
        format!("redis://{}:{}/", self.address, self.port)
    }

    /// Its process.
    pub const fn id(&self) -> u32 {
        self.process
    }

    /// Asks it directly, which must succeed.
    pub fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_ask(words).unwrap()
    }

    /// The same, if it may have ended, or have closed its connections.
    pub fn try_ask<T: FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]).query(&mut self.connection()?)
    }

    /// A connection of one's own.
    pub fn connection(&self) -> redis::RedisResult<Connection> {
        let limit = Duration::from_secs(10);
        let connection = Client::open(self.url())?.get_connection_with_timeout(limit)?;
        connection.set_read_timeout(Some(limit))?;
        Ok(connection)
    }

    /// How often a command was called since the last `CONFIG RESETSTAT`.
    pub fn calls(&self, command: &str) -> u64 {
        let stats: String = self.ask(&["INFO", "commandstats"]);
        let name = format!("cmdstat_{command}:calls=");
        let calls = stats.lines().find_map(|line| line.strip_prefix(&name));
        calls.map_or(0, |calls| calls.split(',').next().unwrap().parse().unwrap())
    }

    /// A number in `INFO`.
    pub fn info(&self, name: &str) -> u64 {
        let info: String = self.ask(&["INFO"]);
        let line = info.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap()[1..].trim().parse().unwrap()
    }

    /// Stops the process without ending it, as if the machine hung.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        let process = self.process.to_string();
        let sent = Command::new("kill").args(["-s", signal, &process]).status();
        assert!(sent.unwrap().success());
    }

    /// Kills it without a chance to say goodbye.
    pub fn kill(&mut self) {
        self.signal("KILL");
        let shell = self.shell.as_mut().unwrap().stdin.as_mut();
        shell.unwrap().write_all(b"keep\n").unwrap();
        self.stop();
    }

    /// Asks it to end, and waits until it has.
    pub fn terminate(&mut self) {
        self.signal("TERM");
        let state = format!("/proc/{}/stat", self.process);
        wait_until("the server has ended", || {
            // It stays a zombie until its shell looks.
            fs::read_to_string(&state).map_or(true, |stat| stat.contains(") Z "))
        });
        let shell = self.shell.as_mut().unwrap().stdin.as_mut();
        shell.unwrap().write_all(b"keep\n").unwrap();
        self.stop();
    }

    /// Starts it again after [`kill`](Self::kill) or [`terminate`](Self::terminate).
    pub fn resume(&mut self) {
        let script = r#"trap '' INT
            "$@" >>server.log 2>&1 &
            echo $!; read -r keep; kill -KILL $!; wait $!; [ "$keep" ] || rm -r "$PWD""#;
        let program = std::env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".into());
        let mut shell = Command::new("sh");
        shell
            .current_dir(self.folder.path())
            .args(["-c", script, "sh"])
            .args(self.inside.split_whitespace())
            .arg(&program)
            .args(&self.arguments)
            .args(["--port", &self.port.to_string(), "--bind", &self.address])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut shell = shell.spawn().expect("a shell");
        let mut first = String::new();
        BufReader::new(shell.stdout.take().unwrap())
            .read_line(&mut first)
            .unwrap();
        self.process = first.trim().parse().expect("a process id");
        self.shell = Some(shell);
        wait_until("the server answers", || {
            match self.try_ask::<String>(&["PING"]) {
                Ok(_) => true,
                // It answers, although not to us.
                Err(error) => {
                    error.kind() == redis::ErrorKind::AuthenticationFailed
                        || error.code() == Some("NOAUTH")
                }
            }
        });
    }

    fn stop(&mut self) {
        if let Some(mut shell) = self.shell.take() {
            drop(shell.stdin.take());
            let _ = shell.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join("server.log"));
            println!("{}", log.unwrap_or_default());
        }
        self.stop();
    }
}

/// Masters that share the slots among them, with further arguments.
pub fn cluster(size: u16, arguments: &[&str]) -> Vec<Server> {
    join((0..size).map(|_| arguments.to_vec()))
}

/// The same, and each of them tells its clients to come through a proxy.
pub fn cluster_behind_proxies(size: u16) -> (Vec<Server>, Vec<Proxy>) {
    let proxies: Vec<Proxy> = (0..size).map(|_| Proxy::start(0)).collect();
    let ports: Vec<String> = proxies.iter().map(|one| one.port().to_string()).collect();
    let servers = join(
        ports
            .iter()
            .map(|port| vec!["--cluster-announce-port", port]),
    );
    for (server, proxy) in servers.iter().zip(&proxies) {
        proxy.lead_to(server.port);
    }
    (servers, proxies)
}

/// Masters with a port for TLS each, besides the usual one, with a certificate for 127.0.0.1 and its key. They
/// speak TLS with each other too.
pub fn cluster_with_tls(
    size: u16,
    authority: &Authority,
    [certificate, key]: [&Path; 2],
) -> (Vec<Server>, Vec<u16>) {
    let ports: Vec<u16> = (0..size).map(|_| free_port()).collect();
    let texts: Vec<String> = ports.iter().map(ToString::to_string).collect();
    let root = authority.root_file();
    let [certificate, key, root] = [certificate, key, &root].map(|file| file.to_str().unwrap());
    let arguments = |port| {
        let cluster = ["--tls-cluster", "yes", "--tls-auth-clients", "no"];
        let files = [
            "--tls-cert-file",
            certificate,
            "--tls-key-file",
            key,
            "--tls-ca-cert-file",
            root,
        ];
        [&["--tls-port", port][..], &cluster, &files].concat()
    };
    let servers = join(texts.iter().map(|port| arguments(port.as_str())));
    (servers, ports)
}

/// Moves so many slots from one master of a Cluster to another, as its administrators do, key by key.
pub fn reshard(from: &Server, to: &Server, slots: u16) {
    let id = |server: &Server| server.ask::<String>(&["CLUSTER", "MYID"]);
    let moved = Command::new("redis-cli")
        .args(["--cluster", "reshard", &format!("127.0.0.1:{}", from.port)])
        .args(["--cluster-from", &id(from), "--cluster-to", &id(to)])
        .args(["--cluster-slots", &slots.to_string(), "--cluster-yes"])
        .args(["--cluster-pipeline", "1"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&moved.stdout);
    assert!(moved.status.success(), "{said}");
}

/// Moves all slots from one master of a Cluster to another, and lets all but itself forget it. It lives on,
/// and does not know.
pub fn leave(cluster: &[Server], leaving: usize) {
    let leaving = &cluster[leaving];
    let others = || cluster.iter().filter(|one| one.port != leaving.port);
    let to = others().next().expect("another master");
    let id = |server: &Server| server.ask::<String>(&["CLUSTER", "MYID"]);
    let (left, taker) = (id(leaving), id(to));
    let info: String = leaving.ask(&["CLUSTER", "NODES"]);
    let own = info.lines().find(|line| line.contains("myself")).unwrap();
    let ranges = own.split(' ').skip(8).map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        first.parse::<u16>().unwrap()..=last.parse::<u16>().unwrap()
    });
    let slots: Vec<String> = ranges.flatten().map(|slot| slot.to_string()).collect();
    let mut counts = redis::pipe();
    for slot in &slots {
        counts.cmd("CLUSTER").arg("COUNTKEYSINSLOT").arg(slot);
    }
    let counts: Vec<u64> = counts.query(&mut leaving.connection().unwrap()).unwrap();
    for (slot, _) in slots.iter().zip(counts).filter(|(_, keys)| *keys > 0) {
        let _: () = to.ask(&["CLUSTER", "SETSLOT", slot, "IMPORTING", &left]);
        let _: () = leaving.ask(&["CLUSTER", "SETSLOT", slot, "MIGRATING", &taker]);
        let keys: Vec<Vec<u8>> = leaving.ask(&["CLUSTER", "GETKEYSINSLOT", slot, "1000"]);
        let mut migrate = redis::cmd("MIGRATE");
        migrate
            .arg("127.0.0.1")
            .arg(to.port)
            .arg("")
            .arg(0)
            .arg(5000);
        migrate.arg("KEYS").arg(keys);
        migrate.exec(&mut leaving.connection().unwrap()).unwrap();
    }
    let mut given = redis::pipe();
    for slot in &slots {
        given
            .cmd("CLUSTER")
            .arg("SETSLOT")
            .arg(slot)
            .arg("NODE")
            .arg(&taker);
    }
    for one in others() {
        given.exec(&mut one.connection().unwrap()).unwrap();
    }
    // It may know already, and refuse to hear it: then it is a replica of the one that has them.
    let _ = given.exec(&mut leaving.connection().unwrap());
    for one in others() {
        let _: () = one.ask(&["CLUSTER", "FORGET", &left]);
    }
}

fn join<'a>(arguments: impl ExactSizeIterator<Item = Vec<&'a str>>) -> Vec<Server> {
    let size = u16::try_from(arguments.len()).unwrap();
    let servers: Vec<Server> = arguments
        .map(|arguments| {
            let bus = free_port().to_string();
            let of_cluster = [
                "--cluster-enabled",
                "yes",
                "--cluster-port",
                &bus,
                // No node is taken for dead that a busy machine lets wait.
                "--cluster-node-timeout",
                "30000",
            ];
            Server::start(&[&of_cluster, arguments.as_slice()].concat())
        })
        .collect();
    let bound = |part: u16| (16_384 * u32::from(part) / u32::from(size)).to_string();
    let last = |part: u16| (16_384 * u32::from(part) / u32::from(size) - 1).to_string();
    for (part, server) in (0..).zip(&servers) {
        let (from, to) = (bound(part), last(part + 1));
        let _: () = server.ask(&["CLUSTER", "ADDSLOTSRANGE", &from, &to]);
        let _: () = server.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &(part + 1).to_string()]);
    }
    for server in &servers[1..] {
        let (port, bus) = (server.port.to_string(), server.argument("--cluster-port"));
        let _: () = servers[0].ask(&["CLUSTER", "MEET", "127.0.0.1", &port, bus]);
    }
    let agrees = |server: &Server| {
        let info: String = server.ask(&["CLUSTER", "INFO"]);
        info.contains("cluster_state:ok")
            && info.contains(&format!("cluster_known_nodes:{size}\r"))
            && info.contains("cluster_slots_ok:16384")
    };
    wait_until("the Cluster agrees", || servers.iter().all(agrees));
    servers
}
