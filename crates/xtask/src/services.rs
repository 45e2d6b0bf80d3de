//! The servers that tests need: named by a variable, or started for this run alone.

mod postgres;
mod redis;

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::error::{Doing, Error};
use crate::workspace::Workspace;

/// A kind of server, what needs it, and how one is started.
struct Service {
    name: &'static str,
    /// Names a running one; tests read the same variable.
    variable: &'static str,
    /// The package, and its feature, whose tests need it.
    needed_by: (&'static str, Option<&'static str>),
    start: fn() -> Result<Server, Error>,
}

const SERVICES: [Service; 2] = [
    Service {
        name: "PostgreSQL",
        variable: postgres::VARIABLE,
        needed_by: ("store-sql", Some("postgres")),
        start: postgres::start,
    },
    Service {
        name: "Redis",
        variable: redis::VARIABLE,
        needed_by: ("store-redis", None),
        start: redis::start,
    },
];

/// The servers of this run. Those that were started here are stopped when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Services {
    started: Vec<(&'static str, Server)>,
}

impl Services {
    /// The variables that tell tests where the started ones are; those that were set before
    /// reach the tests anyway.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.started
            .iter()
            .map(|(variable, server)| (*variable, server.url.as_str()))
    }
}

/// Makes sure of every server that a package of this workspace needs.
pub(crate) fn start(workspace: &Workspace) -> Result<Services, Error> {
    let mut services = Services::default();
    for service in SERVICES {
        let (package, feature) = service.needed_by;
        if !workspace.has(package, feature) {
            continue;
        }
        if std::env::var_os(service.variable).is_some() {
            eprintln!("\n==> {} is where {} says", service.name, service.variable);
            continue;
        }
        let server = (service.start)()?;
        eprintln!("\n==> {} started for this run", service.name);
        services.started.push((service.variable, server));
    }
    Ok(services)
}

/// A Redis of its own for a measurement: one that runs elsewhere could not be told to stay on a
/// processor.
pub(crate) fn redis() -> Result<Server, Error> {
    redis::start()
}

/// Makes sure of the servers' programs, for those who start some of their own.
pub(crate) fn install() -> Result<(), Error> {
    postgres::INITDB.get()?;
    redis::SERVER.get()?;
    Ok(())
}

/// A server that this process started, with its data in a folder of its own.
#[derive(Debug)]
pub(crate) struct Server {
    url: String,
    process: Child,
    _data: TempDir,
}

/// How long a server may take to its first answer: seconds on an idle machine, more on a busy one.
const PATIENCE: Duration = Duration::from_mins(1);

impl Server {
    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The number of its process.
    pub(crate) fn process(&self) -> u32 {
        self.process.id()
    }

    /// Starts a server and waits until it answers. Its output goes to a file in `data`.
    fn start(
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
    /// Asks it to end by its process id, and insists where it does not.
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
        // Nothing is left to do about a failure here: the run is over.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port that was free a moment ago.
fn free_port() -> Result<u16, Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).doing("find a free port")?;
    Ok(listener.local_addr().doing("find a free port")?.port())
}

/// A folder for a server's data.
fn data_folder() -> Result<TempDir, Error> {
    tempfile::Builder::new()
        .prefix("hallpass-test-")
        .tempdir()
        .doing("create a temporary folder")
}

/// Where Debian keeps a program's versions, the latest first.
fn latest_first(mut folders: Vec<PathBuf>) -> Vec<PathBuf> {
    let version = |folder: &PathBuf| {
        let mut numbers = folder
            .components()
            .filter_map(|part| part.as_os_str().to_str()?.parse::<u32>().ok());
        numbers.next().unwrap_or(0)
    };
    folders.sort_by_key(|folder| std::cmp::Reverse(version(folder)));
    folders
}
