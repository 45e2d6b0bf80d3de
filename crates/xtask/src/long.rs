//! Tests that take too long to be run for each change.

use crate::browser;
use crate::error::Error;
use crate::examples;
use crate::program::Program;
use crate::run;
use crate::rust;
use crate::services;
use crate::tools;
use crate::workspace::Workspace;
use crate::wycheproof;

/// How often each test with a random schedule is repeated. Each time it has another seed, which it prints
/// if it fails.
const TIMES: &str = "25";

/// The number of random inputs for each property, instead of 256.
const CASES: &str = "20000";

/// The seconds that each fuzzer runs.
const SECONDS: u32 = 600;

/// The tests whose schedules are random.
const RANDOM: &str = "package(=testbed) | test(contract) | binary(=contract) | binary(=rotation_year) \
     | binary(=rotation_schedules) | binary(=cache_model)";

/// How long processes share one session, in lifetimes of a token, instead of eight.
const LIFETIMES: &str = "100";

/// A filter of nextest: the test that starts a session with a keyring of its own.
const KEYRING: &str = "package(=token-client) & test(=tokens_are_kept_in_the_keyring)";

/// Starts a session of D-Bus, without which there is no Secret Service.
static DBUS: Program = Program {
    name: "dbus-run-session",
    package: "dbus",
    files: &["dbus-run-session"],
    elsewhere: Vec::new,
    variable: None,
};

/// Keeps secrets on Debian's desktops.
static GNOME_KEYRING: Program = Program {
    name: "the keyring of GNOME",
    package: "gnome-keyring",
    files: &["gnome-keyring-daemon"],
    elsewhere: Vec::new,
    variable: None,
};

/// A filter of nextest: hosts that vanish from a network and a disk whose power is cut, which only root can make, and a
/// master that is demoted by hand. They take a minute.
const MOVES: &str = "package(=testbed) & (binary(=moves) | binary(=faults))";

/// Makes networks.
static IP: Program = Program {
    name: "ip",
    package: "iproute2",
    files: &["ip"],
    elsewhere: || vec!["/usr/sbin".into(), "/sbin".into()],
    variable: None,
};

const FUZZERS: [&str; 3] = ["key", "request", "token"];

/// Runs random schedules with many seeds, processes that share a session for minutes, hosts that vanish from a
/// network (for which it has to be root), the web client in Firefox and WebKitGTK, the vectors of Project Wycheproof, then
/// the fuzzers. If one fails, the others still run.
pub(crate) fn test(workspace: &Workspace) -> Result<(), Error> {
    let services = services::start(workspace)?;
    let mut schedules = rust::nextest(workspace, RANDOM, &services)?;
    let mut done = run::run(
        schedules
            .args(["--stress-count", TIMES])
            .env("HALLPASS_SCHEDULES", "100"),
    );
    let mut properties =
        rust::nextest(workspace, "test(arbitrary) | binary(=arbitrary)", &services)?;
    done = done.and(run::run(properties.env("PROPTEST_CASES", CASES)));
    examples::build(workspace)?;
    let mut clients = rust::nextest(workspace, "package(=e2e) & binary(=clients)", &services)?;
    done = done.and(run::run(clients.env("HALLPASS_LIFETIMES", LIFETIMES)));
    done = done.and(browser::test_engines(workspace));
    DBUS.get()?;
    GNOME_KEYRING.get()?;
    let mut keyring = rust::nextest(workspace, KEYRING, &services)?;
    done = done.and(run::run(keyring.arg("--run-ignored=only")));
    IP.get()?;
    let mut moves = rust::nextest(workspace, MOVES, &services)?;
    done = done.and(run::run(moves.arg("--run-ignored=only")));
    done = done.and(wycheproof::test(workspace, &services));
    for fuzzer in FUZZERS {
        done = done.and(fuzz(workspace, fuzzer));
    }
    done
}

/// Runs a fuzzer of `crates/fuzz`, which keeps its corpus there.
fn fuzz(workspace: &Workspace, target: &str) -> Result<(), Error> {
    let folder = workspace.root.join("crates/fuzz");
    let corpus = folder.join("corpus").join(target);
    std::fs::create_dir_all(&corpus).map_err(|source| Error::Io {
        doing: format!("create {}", corpus.display()),
        source,
    })?;
    let mut fuzz = run::command(&tools::fuzz(workspace)?);
    fuzz.args(["fuzz", "run", "--fuzz-dir"]).arg(&folder);
    fuzz.arg(target)
        .arg(&corpus)
        .arg(folder.join("seeds").join(target));
    fuzz.arg("--").arg(format!("-max_total_time={SECONDS}"));
    // The instrumentation needs the nightly compiler.
    run::run(fuzz.env("RUSTUP_TOOLCHAIN", "nightly"))
}
