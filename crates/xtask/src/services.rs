//! The servers that tests need. If a variable names one, it is used; if not, one is started for this run.

mod postgres;
mod redis;
mod server;

use self::server::Server;
use crate::error::Error;
use crate::workspace::Workspace;

/// A kind of server, what needs it, and how one is started.
struct Service {
    name: &'static str,
    /// The variable that names a running one. Tests read it too.
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

/// The servers of this run. If they were started here, they are stopped when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Services {
    started: Vec<(&'static str, Server)>,
}

impl Services {
    /// The variables that name the servers that were started here. If a variable was set before, tests
    /// inherit it anyway.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.started
            .iter()
            .map(|(variable, server)| (*variable, server.url()))
    }
}

/// Starts every server that a package of this workspace needs, if no variable names one.
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

/// Starts a Redis for a measurement. Only a process of ours can be kept on one processor.
pub(crate) fn redis() -> Result<Server, Error> {
    redis::start()
}

/// Starts a PostgreSQL for a measurement.
pub(crate) fn postgres() -> Result<Server, Error> {
    postgres::start()
}

/// Installs the servers' programs if they are missing, for tests that start their own.
pub(crate) fn install() -> Result<(), Error> {
    postgres::INITDB.get()?;
    redis::SERVER.get()?;
    Ok(())
}
