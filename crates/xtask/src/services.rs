//! The servers that tests need: named by a variable, or started for this run alone.

mod postgres;
mod redis;
mod server;

use self::server::Server;
use crate::error::Error;
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
            .map(|(variable, server)| (*variable, server.url()))
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
