//! The load test.

use clap::{Args, ValueEnum};

use crate::error::Error;
use crate::run;
use crate::services;
use crate::workspace::Workspace;

/// How much load, and for how long.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only this store; if none is named, one after the other.
    store: Option<Store>,
    /// How many sessions there are at the beginning.
    #[arg(long, default_value_t = 1_000_000)]
    sessions: u32,
    /// For how many seconds, on each store.
    #[arg(long, default_value_t = 600)]
    seconds: u32,
    /// Logins a second.
    #[arg(long, default_value_t = 200)]
    logins: u32,
    /// Refreshes a second.
    #[arg(long, default_value_t = 2000)]
    refreshes: u32,
    /// How many clients ask for something else, each as soon as it was answered.
    #[arg(long, default_value_t = 8)]
    clients: usize,
}

/// A store that several nodes share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Store {
    /// With each commit on the disk.
    Postgres,
    /// With its log.
    Redis,
}

impl Store {
    const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
        }
    }
}

/// Runs it, and draws the latencies into `target/bench`. If one store fails, the other is still tested.
pub(crate) fn test(arguments: &Arguments) -> Result<(), Error> {
    let workspace = Workspace::read()?;
    services::install()?;
    let build = "build --profile measure --locked --package=bench --bins --all-features";
    run::run(run::cargo().args(build.split(' ')))?;
    let folder = workspace.target.join("bench");
    std::fs::create_dir_all(&folder).map_err(|source| Error::Io {
        doing: "create a folder for pictures".to_owned(),
        source,
    })?;
    let mut failed = Vec::new();
    let all = [Store::Postgres, Store::Redis].into_iter();
    for store in all.filter(|store| arguments.store.is_none_or(|only| only == *store)) {
        let mut load = std::process::Command::new(workspace.target.join("measure/load"));
        load.args(["run", store.name()]);
        for (name, value) in [
            ("--sessions", arguments.sessions.to_string()),
            ("--seconds", arguments.seconds.to_string()),
            ("--logins", arguments.logins.to_string()),
            ("--refreshes", arguments.refreshes.to_string()),
            ("--clients", arguments.clients.to_string()),
        ] {
            load.arg(name).arg(value);
        }
        load.arg("--picture");
        load.arg(folder.join(format!("load-{}.svg", store.name())));
        if let Err(error) = run::run(&mut load) {
            failed.push((store.name(), error));
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Error::Parts(failed))
    }
}
