//! `PgBouncer`, a pooler in front of PostgreSQL.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::postgres::{self, as_other_user};
use crate::{free_port, wait_until};

/// A pooler that this process started, which lets everybody in.
#[derive(Debug)]
pub struct PgBouncer {
    port: u16,
    _folder: TempDir,
    /// A shell that ends the pooler when its input ends: with this process, however that ends.
    guard: Child,
}

impl PgBouncer {
    /// Starts one in front of a server, in this mode (`session`, `transaction`). Further lines of settings
    /// follow the usual ones.
    pub fn start(server: &postgres::Server, mode: &str, settings: &str) -> Self {
        // Not in the target directory: it runs as another user if we are root.
        let folder = tempfile::Builder::new()
            .prefix("hallpass-pgbouncer-")
            .tempdir();
        let folder = folder.unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let (port, behind) = (free_port(), server.port());
        let lines = format!(
            "[databases]\n\
             * = host=127.0.0.1 port={behind} user=postgres\n\
             [pgbouncer]\n\
             listen_addr = 127.0.0.1\n\
             listen_port = {port}\n\
             unix_socket_dir =\n\
             auth_type = any\n\
             pool_mode = {mode}\n\
             {settings}\n"
        );
        let file = folder.path().join("pgbouncer.ini");
        fs::write(&file, lines).unwrap();
        let pooler = format!("{}pgbouncer {}", as_other_user(), file.display());
        // Told to interrupt, it would wait for its clients first.
        let script = format!("{pooler} & read -r keep; kill -TERM $!; wait $!");
        let guard = Command::new("sh")
            .args(["-c", &script])
            .current_dir("/")
            // Debian has it beside what only root runs.
            .env("PATH", path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        wait_until("PgBouncer answers", || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Self {
            port,
            _folder: folder,
            guard: guard.expect("sh"),
        }
    }

    /// The address of the server's database, through it.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        self.guard.wait().expect("it ends");
    }
}

fn path() -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{path}:/usr/sbin")
}
