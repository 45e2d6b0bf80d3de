//! A PostgreSQL server for tests: the one that `TOKENS_TEST_POSTGRES_URL` names, or a private
//! one on a free port with its data in a temporary folder, which ends with the test process.

use std::env;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A server that all tests of the process share. Use a schema of your own.
pub(crate) fn url() -> &'static str {
    static SERVER: OnceLock<(String, Option<Server>)> = OnceLock::new();
    let (url, _) = SERVER.get_or_init(|| {
        if let Ok(url) = env::var("TOKENS_TEST_POSTGRES_URL") {
            return (url, None);
        }
        let server = Server::start();
        (server.url(), Some(server))
    });
    url
}

/// A private server, for tests that stop it.
pub(crate) struct Server {
    programs: PathBuf,
    data: PathBuf,
    port: u16,
    /// A shell that runs the server and ends it when its standard input closes, which it does
    /// however this process ends.
    guard: Option<Child>,
    _folder: TempDir,
}

impl Server {
    pub(crate) fn start() -> Self {
        let programs = programs();
        // Not in the target directory: the server runs as another user where we are root.
        let folder = tempfile::tempdir().expect("a folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("ours");
        let data = folder.path().join("data");
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("bound").port();
        drop(free);
        let mut server = Self {
            programs,
            data,
            port,
            guard: None,
            _folder: folder,
        };
        server.initialise();
        server.resume();
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Starts it again after [`kill`](Self::kill).
    pub(crate) fn resume(&mut self) {
        let server = format!(
            "{}{} -D {} -p {} -k /tmp -c listen_addresses=127.0.0.1 -c max_connections=200 \
             -c unix_socket_directories='' -c shared_preload_libraries=pg_stat_statements",
            as_other_user(),
            self.programs.join("postgres").display(),
            self.data.display(),
            self.port,
        );
        let guard = format!("{server} & read -r _; kill -INT $!; wait");
        let guard = Command::new("sh")
            .args(["-c", &guard])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.guard = Some(guard.expect("sh"));
        let start = Instant::now();
        while !self.is_ready() {
            assert!(start.elapsed() < Duration::from_mins(1), "no server");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends it as a crash would: SIGQUIT, without a word to anyone and without a checkpoint.
    pub(crate) fn kill(&mut self) {
        self.signal("QUIT");
        self.stop();
    }

    /// Sends a signal to the server's first process.
    pub(crate) fn signal(&self, name: &str) {
        let pid = fs::read_to_string(self.data.join("postmaster.pid")).expect("it runs");
        let pid = pid.lines().next().expect("a process id").to_owned();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.expect("kill").success());
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
            self.data.display(),
        );
        let output = Command::new("sh")
            .args(["-c", &initdb])
            .current_dir("/")
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
            .args(["-q", "-h", "127.0.0.1", "-p", &port])
            .status();
        ready.expect("pg_isready").success()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Where initdb, postgres and `pg_isready` are: on PATH, or where Debian keeps the versions.
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
fn as_other_user() -> String {
    let uid = Command::new("id").arg("-u").output().expect("id").stdout;
    if uid.trim_ascii() != b"0" {
        return String::new();
    }
    let passwd = fs::read_to_string(Path::new("/etc/passwd")).unwrap_or_default();
    let known = passwd.lines().any(|line| line.starts_with("postgres:"));
    let user = if known { "postgres" } else { "nobody" };
    format!("setpriv --reuid {user} --regid $(id -g {user}) --clear-groups ")
}
