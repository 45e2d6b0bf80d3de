//! A server that was started for one run.

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::error::{Doing, Error};

/// A server that this process started, with its data in a folder of its own.
#[derive(Debug)]
pub(crate) struct Server {
    url: String,
    process: Child,
    _data: TempDir,
}

/// How long a server may take to its first answer. It takes seconds, and more if the machine is busy.
const PATIENCE: Duration = Duration::from_mins(1);

impl Server {
    /// The address that clients connect to.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The id of its process.
    pub(crate) fn process(&self) -> u32 {
        self.process.id()
    }

    /// Starts a server and waits until it answers. Its output goes to a file in `data`.
    pub(super) fn start(
        service: &'static str,
        url: String,
        data: TempDir,
        command: &mut Command,
        mut answers: impl FnMut() -> bool,
    ) -> Result<Self, Error> {
        let path = data.path().join("server.log");
        let log = std::fs::File::create(&path).doing("create a log file")?;
        let errors = log.try_clone().doing("create a log file")?;
        command.stdin(std::process::Stdio::null());
        let process = command.stdout(log).stderr(errors).spawn();
        let mut server = Self {
            url,
            process: process.doing(format!("start {service}"))?,
            _data: data,
        };
        let start = Instant::now();
        while !answers() {
            let ended = server.process.try_wait().doing("wait for a server")?;
            if ended.is_some() || start.elapsed() > PATIENCE {
                let log = std::fs::read_to_string(&path).unwrap_or_default();
                return Err(Error::NotStarted { service, log });
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }
}

impl Drop for Server {
    /// Interrupts the process, and kills it if it does not end.
    fn drop(&mut self) {
        // SIGINT is PostgreSQL's fast shutdown and Redis' ordinary one.
        let interrupt = format!("kill -s INT {}", self.process.id());
        let asked = Command::new("sh").args(["-c", &interrupt]).status();
        let start = Instant::now();
        while asked.is_ok() && start.elapsed() < Duration::from_secs(10) {
            if let Ok(Some(_)) = self.process.try_wait() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        // If this fails, the process has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port that was free a moment ago.
pub(super) fn free_port() -> Result<u16, Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).doing("find a free port")?;
    Ok(listener.local_addr().doing("find a free port")?.port())
}

/// A folder for a server's data.
pub(super) fn data_folder() -> Result<TempDir, Error> {
    tempfile::Builder::new()
        .prefix("hallpass-test-")
        .tempdir()
        .doing("create a temporary folder")
}
