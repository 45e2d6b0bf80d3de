//! PostgreSQL servers.

use std::env;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::network::Host;
use crate::tls::Certified;
use crate::{free_port, wait_until};

/// The server that `HALLPASS_TEST_POSTGRES_URL` names, or one that all tests of this process
/// share. Use a schema of your own.
pub fn url() -> &'static str {
    static SERVER: OnceLock<(String, Option<Server>)> = OnceLock::new();
    let (url, _) = SERVER.get_or_init(|| {
        if let Ok(url) = env::var("HALLPASS_TEST_POSTGRES_URL") {
            return (url, None);
        }
        let server = Server::start();
        (server.url(), Some(server))
    });
    url
}

/// A private server, with the extension `pg_stat_statements` at hand.
#[derive(Debug)]
pub struct Server {
    programs: PathBuf,
    folder: TempDir,
    /// Where it listens, and what its command begins with to be run there.
    address: String,
    inside: String,
    port: u16,
    /// Further ones, as the server's program takes them.
    settings: Vec<String>,
    /// A shell that ends the server when its input ends: with this process, however that
    /// ends. Without a word before it deletes the folder, too.
    guard: Option<Child>,
}

impl Server {
    /// Makes a database and starts a server on it.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with further settings, such as `fsync=on`; they override those of every test.
    pub fn start_with(settings: &[&str]) -> Self {
        let mut server = Self::prepare(settings, None);
        server.initialise();
        server.resume();
        server
    }

    /// Starts one on a host of a test's network.
    pub fn start_on(host: &Host) -> Self {
        // Otherwise it would wait for a minute, before it ends, for a standby that has vanished.
        let mut server = Self::prepare(&["wal_sender_timeout=5s"], Some(host));
        server.initialise();
        let rules = "host all,replication all all trust\n";
        fs::write(server.data().join("pg_hba.conf"), rules).unwrap();
        server.resume();
        server
    }

    fn prepare(settings: &[&str], host: Option<&Host>) -> Self {
        // Not in the target directory: the server runs as another user if we are root.
        let folder = tempfile::Builder::new()
            .prefix("hallpass-postgres-")
            .tempdir();
        let server = Self {
            programs: programs(),
            folder: folder.unwrap(),
            address: host.map_or("127.0.0.1", Host::address).to_owned(),
            inside: host.map(Host::inside).unwrap_or_default(),
            port: free_port(),
            settings: settings.iter().map(|one| format!(" -c {one}")).collect(),
            guard: None,
        };
        fs::set_permissions(server.folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        server
    }

    /// Starts a standby that follows it.
    #[must_use]
    pub fn standby(&self) -> Self {
        self.standby_at(None)
    }

    /// The same on a host of a test's network.
    #[must_use]
    pub fn standby_on(&self, host: &Host) -> Self {
        self.standby_at(Some(host))
    }

    fn standby_at(&self, host: Option<&Host>) -> Self {
        let mut server = Self::prepare(&[], host);
        if host.is_some() {
            // A name leads to a host, and says nothing of ports.
            server.port = self.port;
        }
        let copy = format!(
            "{}{} -D {} -R -X stream -c fast -h {} -p {} -U postgres",
            as_other_user(),
            self.program("pg_basebackup").display(),
            server.data().display(),
            self.address,
            self.port,
        );
        server.run(&copy);
        server.resume();
        server
    }

    /// Makes a standby a primary.
    pub fn promote(&self) {
        let promote = format!(
            "{}{} promote -w -D {}",
            as_other_user(),
            self.program("pg_ctl").display(),
            self.data().display(),
        );
        self.run(&promote);
    }

    /// Its address, with the right to everything.
    pub fn url(&self) -> String {
        format!(
            "postgres://postgres@{}:{}/postgres",
            self.address, self.port
        )
    }

    /// Its port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// A program of PostgreSQL's that stands beside the server's.
    pub fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// Starts it again after [`kill`](Self::kill).
    pub fn resume(&mut self) {
        // Without fsync a crash of the machine could lose what was written; one of the server
        // cannot.
        let further = self.settings.concat();
        let server = format!(
            "{}{}{} -D {} -p {} -c listen_addresses={} -c max_connections=200 \
             -c unix_socket_directories='' -c shared_preload_libraries=pg_stat_statements \
             -c fsync=off{further}",
            self.inside,
            as_other_user(),
            self.programs.join("postgres").display(),
            self.data().display(),
            self.port,
            self.address,
        );
        let script =
            format!(r#"{server} & read -r keep; kill -INT $!; wait $!; [ "$keep" ] || rm -r "$0""#);
        let guard = Command::new("sh")
            .args(["-c", &script])
            .arg(self.folder.path())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.guard = Some(guard.expect("sh"));
        wait_until("the server answers", || self.is_ready());
    }

    /// Starts it again so that it asks everybody but `postgres` for a password.
    pub fn ask_for_passwords(&mut self) {
        let rules =
            "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
        fs::write(self.data().join("pg_hba.conf"), rules).unwrap();
        self.kill();
        self.resume();
    }

    /// Starts it again with a certificate. From then on it takes no connection without TLS.
    pub fn encrypt(&mut self, certified: &Certified) {
        // It insists that nobody else can read the key.
        for (name, content) in [
            ("server.crt", &certified.certificate),
            ("server.key", &certified.key),
        ] {
            let file = self.data().join(name);
            let script = format!(
                "{}sh -c 'umask 077; cat >{}'",
                as_other_user(),
                file.display()
            );
            let mut writer = Command::new("sh")
                .args(["-c", &script])
                .current_dir("/")
                .stdin(Stdio::piped())
                .spawn()
                .expect("sh");
            let mut stdin = writer.stdin.take().expect("a pipe");
            stdin.write_all(content.as_bytes()).unwrap();
            drop(stdin);
            assert!(writer.wait().unwrap().success());
        }
        self.settings.push(" -c ssl=on".to_owned());
        let rule = "hostssl all all 127.0.0.1/32 trust\n";
        fs::write(self.data().join("pg_hba.conf"), rule).unwrap();
        self.kill();
        self.resume();
    }

    /// Ends all its processes at once, without a chance to say goodbye.
    pub fn kill(&mut self) {
        // One that was born meanwhile would keep the next server from starting.
        let processes = self.halt();
        signal("KILL", &processes);
        wait_until("the server is gone", || {
            let mut states = processes.iter().map(|id| state(id));
            states.all(|state| matches!(state, None | Some('Z')))
        });
        let guard = self.guard.as_mut().expect("it runs");
        let stdin = guard.stdin.as_mut().expect("a pipe");
        stdin.write_all(b"keep\n").expect("the shell waits");
        self.stop();
    }

    /// Stops all its processes without ending them, as if the machine hung.
    pub fn freeze(&self) {
        let processes = self.halt();
        signal("STOP", &processes);
        wait_until("the server stands still", || {
            let mut states = processes.iter().map(|id| state(id));
            states.all(|state| matches!(state, None | Some('T' | 'Z')))
        });
    }

    /// Lets them go on.
    pub fn thaw(&self) {
        signal("CONT", &self.processes());
    }

    /// Stops its first process, so that it makes no new ones, and names them all.
    fn halt(&self) -> Vec<String> {
        let first = &self.processes()[..1];
        signal("STOP", first);
        wait_until("it makes no new processes", || {
            state(&first[0]) == Some('T')
        });
        self.processes()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The first process, and its children.
    fn processes(&self) -> Vec<String> {
        let file = fs::read_to_string(self.data().join("postmaster.pid")).expect("it runs");
        let first = file.lines().next().expect("a process id").to_owned();
        let children = fs::read_to_string(format!("/proc/{first}/task/{first}/children"));
        let children = children.expect("Linux tells the children of a process");
        let children = children.split_whitespace().map(ToOwned::to_owned);
        std::iter::once(first).chain(children).collect()
    }

    fn stop(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            drop(guard.stdin.take());
            guard.wait().expect("it ends");
        }
    }

    fn initialise(&self) {
        let initdb = format!(
            "{}{} -D {} -U postgres --auth=trust --no-sync -E UTF8 --locale=C",
            as_other_user(),
            self.programs.join("initdb").display(),
            self.data().display(),
        );
        self.run(&initdb);
    }

    fn run(&self, command: &str) {
        let output = Command::new("sh")
            .args(["-c", command])
            .current_dir(self.folder.path())
            .output();
        let output = output.expect("sh");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn is_ready(&self) -> bool {
        let port = self.port.to_string();
        let ready = Command::new(self.programs.join("pg_isready"))
            .args(["-q", "-h", &self.address, "-p", &port])
            .status();
        ready.expect("pg_isready").success()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.guard.is_some() {
            // If a test failed half-way, the server is still stopped.
            self.thaw();
        }
        self.stop();
    }
}

fn signal(name: &str, processes: &[String]) {
    // Some of them may have ended by themselves.
    let mut kill = Command::new("kill");
    kill.args(["-s", name])
        .args(processes)
        .stderr(Stdio::null());
    kill.status().expect("kill");
}

/// What a process does: `T` if it was stopped, `Z` if it only waits for its parent to notice
/// its end. `None` if there is no such process.
fn state(process: &str) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The state stands behind the name, which is in parentheses.
    stat.rsplit(") ").next()?.chars().next()
}

/// The folder of initdb, postgres and `pg_isready`: on PATH, or Debian's folder of the newest version.
fn programs() -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let has_all = |folder: &PathBuf| {
        ["initdb", "postgres", "pg_isready"]
            .iter()
            .all(|name| folder.join(name).exists())
    };
    let mut debian: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|versions| {
            versions
                .flatten()
                .map(|version| version.path().join("bin"))
                .collect()
        })
        .unwrap_or_default();
    debian.sort();
    let mut folders = env::split_paths(&path).chain(debian.into_iter().rev());
    folders
        .find(has_all)
        .expect("PostgreSQL's server programs; on Debian: apt-get install postgresql")
}

/// `initdb` and `postgres` refuse to run as root.
pub(crate) fn as_other_user() -> String {
    let uid = Command::new("id").arg("-u").output().expect("id").stdout;
    if uid.trim_ascii() != b"0" {
        return String::new();
    }
    let passwd = fs::read_to_string(Path::new("/etc/passwd")).unwrap_or_default();
    let known = passwd.lines().any(|line| line.starts_with("postgres:"));
    let user = if known { "postgres" } else { "nobody" };
    format!("setpriv --reuid {user} --regid $(id -g {user}) --clear-groups ")
}
