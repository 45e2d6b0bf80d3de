//! Hosts on a network of their own, which can vanish without a word, and names that lead to them.
//!
//! Linux alone has the namespaces that these are made of, and only root may make them (`ip`, of the package
//! `iproute2`).

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::Command;

/// Names the file that is `/etc/hosts` in the process that runs a test.
const HOSTS: &str = "HALLPASS_TEST_NETWORK_HOSTS";
/// The network of this process and of all hosts, kept for measurements (RFC 2544).
const NETWORK: &str = "198.18.0";

/// The network of a test, to which this process is connected.
#[derive(Debug)]
pub struct Network {
    hosts: String,
}

/// A host without any server at first.
#[derive(Debug)]
pub struct Host {
    name: String,
    address: String,
}

impl Network {
    /// Runs an ignored test of this program in a process with a network and a `/etc/hosts` of its own: `None`
    /// once it has passed, or the network if this is that process. All of it goes when the process ends.
    pub fn enter(test: &str) -> Option<Self> {
        if let Ok(hosts) = env::var(HOSTS) {
            fs::write(&hosts, "127.0.0.1 localhost\n").unwrap();
            ip("link set lo up");
            ip("link add switch type bridge");
            ip("link set switch up");
            ip(&format!("address add {NETWORK}.1/24 dev switch"));
            return Some(Self { hosts });
        }
        let user = fs::metadata("/proc/self").unwrap().uid();
        assert_eq!(
            user, 0,
            "only root may make networks: run this test as root"
        );
        let folder = tempfile::tempdir().unwrap();
        let hosts = folder.path().join("hosts");
        fs::write(&hosts, "").unwrap();
        // What is mounted here nobody else sees.
        let script = r#"mount --bind "$0" /etc/hosts && mkdir -p /run/netns &&
            mount -t tmpfs tmpfs /run/netns && exec "$@""#;
        let passed = Command::new("unshare")
            .args(["--mount", "--net", "sh", "-c", script])
            .arg(&hosts)
            .arg(env::current_exe().unwrap())
            .args([test, "--exact", "--ignored", "--nocapture"])
            .env(HOSTS, &hosts)
            .status();
        assert!(passed.expect("unshare").success(), "{test} failed");
        None
    }

    /// Connects a host. Numbers are from 2 to 254, each for one of them.
    pub fn host(&self, number: u8) -> Host {
        let (name, address) = (format!("host-{number}"), format!("{NETWORK}.{number}"));
        ip(&format!("netns add {name}"));
        ip(&format!(
            "link add {name} type veth peer name inside netns {name}"
        ));
        ip(&format!("link set {name} master switch up"));
        for inside in [
            "link set lo up".to_owned(),
            "link set inside up".to_owned(),
            format!("address add {address}/24 dev inside"),
        ] {
            ip(&format!("-netns {name} {inside}"));
        }
        // Otherwise it would be said that the address does not answer, some seconds after it vanished.
        let interface = format!("exec {name} cat /sys/class/net/inside/address");
        let card = ip(&format!("netns {interface}"));
        let known = format!("lladdr {} nud permanent dev switch", card.trim());
        ip(&format!("neighbour replace {address} {known}"));
        Host { name, address }
    }

    /// From now on this name leads to that host.
    pub fn name(&self, name: &str, host: &Host) {
        let line = format!("127.0.0.1 localhost\n{} {name}\n", host.address);
        fs::write(&self.hosts, line).unwrap();
    }
}

impl Host {
    /// Its address.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What a command begins with to be run on it.
    pub(crate) fn inside(&self) -> String {
        format!("ip netns exec {} ", self.name)
    }

    /// It is gone from one moment to the next: nothing arrives there, nothing comes from there, and nobody
    /// says so.
    pub fn vanish(&self) {
        ip(&format!("link set {} down", self.name));
    }
}

/// Runs `ip`, which must succeed, and gives what it says.
fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split(' ')).output();
    let output = output.expect("ip; on Debian: apt-get install iproute2");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments}: {error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
