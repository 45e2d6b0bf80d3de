//! The parts of the measurements: what each needs, and the programs that measure.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::arguments::{Arguments, Part};
use super::build;
use super::conditions::Folder;
use super::peers::Peers;
use crate::error::Error;
use crate::npm;
use crate::program::Program;
use crate::run;
use crate::services;
use crate::workspace::Workspace;

static VALGRIND: Program = Program {
    name: "Valgrind",
    package: "valgrind",
    files: &["valgrind"],
    elsewhere: Vec::new,
    variable: None,
};

static WRK: Program = Program {
    name: "wrk",
    package: "wrk",
    files: &["wrk"],
    elsewhere: Vec::new,
    variable: None,
};

/// The profile of everything that is measured, and its folder.
const PROFILE: &str = "measure";

/// The stores of [`Part::Stores`].
const STORES: [&str; 3] = ["postgres", "redis", "sqlite"];

/// Fails if a ratio is worse than promised.
pub(super) fn check(workspace: &Workspace) -> Result<(), Error> {
    let valgrind = VALGRIND.get()?;
    build_own("--features=axum")?;
    let mut check = Command::new(workspace.target.join(PROFILE).join("bench"));
    run::run(check.arg("check").arg("--valgrind").arg(valgrind))
}

/// A measurement.
pub(super) struct Bench<'a> {
    workspace: &'a Workspace,
    arguments: &'a Arguments,
    /// The folder of our programs.
    programs: PathBuf,
    /// The folder of figures.
    pub(super) folder: Folder,
    peers: Peers,
}

impl<'a> Bench<'a> {
    pub(super) fn new(workspace: &'a Workspace, arguments: &'a Arguments) -> Result<Self, Error> {
        Ok(Self {
            workspace,
            arguments,
            programs: workspace.target.join(PROFILE),
            folder: Folder::new(workspace.target.join("bench"))?,
            peers: Peers::new(workspace),
        })
    }

    /// Builds and installs everything that some parts need, so that nothing is built while others measure.
    pub(super) fn prepare(&self, parts: &BTreeSet<Part>) -> Result<(), Error> {
        let needs = |some: &[Part]| some.iter().any(|part| parts.contains(part));
        if needs(&[Part::Core, Part::Growth, Part::Requests, Part::Stores]) {
            build_own("--all-features")?;
        }
        if needs(&[Part::Core, Part::Requests]) {
            self.peers.build()?;
        }
        if needs(&[Part::Requests]) {
            WRK.get()?;
            self.peers.install_node()?;
        }
        if needs(&[Part::Requests, Part::Stores]) {
            services::install()?;
        }
        if needs(&[Part::Client]) {
            npm::ready(&self.client())?;
        }
        Ok(())
    }

    pub(super) fn measure(&self, part: Part) -> Result<(), Error> {
        match part {
            Part::Core => self.core(),
            Part::Growth => self.growth(),
            Part::Requests => self.requests(),
            Part::Stores => self.stores(),
            Part::Client => self.size_of_client(),
            Part::Build => {
                let Arguments { only, rounds, .. } = self.arguments;
                build::measure(self.workspace, &self.folder, only, rounds.unwrap_or(1))
            }
        }
    }

    fn core(&self) -> Result<(), Error> {
        let allocations = self.programs.join("allocations");
        let counted = self.printed(&allocations, &[], "allocations")?;
        let memory = self.printed(&allocations, &["--memory"], "memory")?;
        let count = self.peers.program("peers-count");
        let peers_counted = self.printed(&count, &[], "peers-allocations")?;
        let peers_memory = self.printed(&count, &["--memory"], "peers-memory")?;
        let more = {
            let mut time = Command::new(self.peers.program("peers-time"));
            let printed = run::output(time.arg(peers_counted))?;
            self.folder.write("peers-core", &printed)?
        };
        let mut core = self.bench();
        core.args(["core", "--only", &self.arguments.only]);
        core.arg("--allocations")
            .arg(counted)
            .arg("--more")
            .arg(more);
        core.arg("--memory").arg(memory);
        core.arg("--memory").arg(peers_memory);
        run::run(core.arg("--json").arg(self.folder.file("core")))
    }

    fn growth(&self) -> Result<(), Error> {
        let mut growth = self.bench();
        growth.arg("growth").arg("--json");
        run::run(growth.arg(self.folder.file("growth")))
    }

    fn requests(&self) -> Result<(), Error> {
        let wrk = WRK.get()?;
        let node = self.peers.node();
        let redis = services::redis()?;
        let postgres = services::postgres()?;
        let mut requests = self.bench();
        requests
            .args(["requests", "--only", &self.arguments.only])
            .arg("--wrk")
            .arg(wrk);
        if let Some(rounds) = self.arguments.rounds {
            requests.arg("--rounds").arg(rounds.to_string());
        }
        requests.arg("--peers").arg(&self.peers.programs);
        requests.arg("--node").arg(node);
        requests.args(["--redis", redis.url()]);
        requests.args(["--redis-process", &redis.process().to_string()]);
        requests.args(["--postgres", postgres.url()]);
        requests.args(["--postgres-process", &postgres.process().to_string()]);
        run::run(requests.arg("--json").arg(self.folder.file("requests")))
    }

    /// If one store fails, the others are still measured.
    fn stores(&self) -> Result<(), Error> {
        let program = self.programs.join("stores");
        let only = self.arguments.only.as_str();
        let mut failed = Vec::new();
        for name in STORES.into_iter().filter(|name| name.starts_with(only)) {
            let mut measure = if name == "redis" {
                // Redis has one thread, which gets the first processor. The clients get the second, ours
                // and redis-benchmark's alike.
                let mut pinned = Command::new("taskset");
                pinned.args(["--cpu-list", "1"]).arg(&program);
                pinned
            } else {
                Command::new(&program)
            };
            measure.arg(name).arg("--json");
            measure.arg(self.folder.file(&format!("stores-{name}")));
            if let Some(rounds) = self.arguments.rounds {
                measure.arg("--rounds").arg(rounds.to_string());
            }
            if let Some(most) = self.arguments.sessions.iter().max() {
                let sessions = self.arguments.sessions.iter().map(u32::to_string);
                let sessions = sessions.collect::<Vec<_>>().join(",");
                measure.args(["--sessions", &sessions]);
                measure.args(["--purged", &most.to_string()]);
            }
            if let Err(error) = run::run(&mut measure) {
                failed.push((name, error));
            }
        }
        if failed.is_empty() {
            Ok(())
        } else {
            Err(Error::Parts(failed))
        }
    }

    /// Bundles the package as a bundler of a user does. The limit of the script is that of the tests: here it
    /// only measures.
    fn size_of_client(&self) -> Result<(), Error> {
        let folder = self.client();
        let npm = npm::NPM.get()?;
        let mut build = npm::command(&npm, &folder);
        run::output(build.args(["run", "--silent", "build"]))?;
        let mut size = npm::command(&npm, &folder);
        let printed = run::output(size.args(["run", "--silent", "size"]))?;
        let bytes = gzipped(&printed).ok_or(Error::Metadata("size of the web client"))?;
        let text = serde_json::json!({ "bytes": bytes }).to_string();
        self.folder.write("client", &text).map(drop)
    }

    fn client(&self) -> PathBuf {
        self.workspace.root.join("clients/web")
    }

    fn bench(&self) -> Command {
        Command::new(self.programs.join("bench"))
    }

    /// Runs a program and writes its output to a file of this name.
    fn printed(&self, program: &Path, arguments: &[&str], name: &str) -> Result<PathBuf, Error> {
        let printed = run::output(Command::new(program).args(arguments))?;
        self.folder.write(name, &printed)
    }
}

/// The compressed size of the package's entry, from what `npm run size` prints first.
fn gzipped(printed: &str) -> Option<u64> {
    let entry = printed
        .lines()
        .find(|line| line.starts_with("the package's entry"))?;
    let (before, _) = entry.split_once(" gzipped")?;
    before.rsplit(' ').next()?.parse().ok()
}

fn build_own(features: &str) -> Result<(), Error> {
    let mut build = run::cargo();
    build.args(["build", "--profile", PROFILE, "--locked"]);
    run::run(build.args(["--package=bench", "--bins", features]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compressed_size_of_the_client_is_read() {
        let printed = "the package's entry, bundled: 11000 bytes minified, 4181 gzipped, limit 4400\n\
                       what `dpop` adds to it, bundled: 9 bytes minified, 5 gzipped, limit 1536\n";
        assert_eq!(gzipped(printed), Some(4181));
        assert_eq!(gzipped("no such script"), None);
    }
}
