//! What takes longer than a change can wait for.

use crate::error::Error;
use crate::run;
use crate::rust;
use crate::services;
use crate::tools;
use crate::workspace::Workspace;

/// How often each test with a random schedule is repeated, each time with another seed. It prints
/// the seed if it fails.
const TIMES: &str = "25";

/// How many random inputs each property is tried with, in place of 256.
const CASES: &str = "20000";

/// Each fuzzer's seconds.
const SECONDS: u32 = 600;

/// The tests whose schedules are random.
const RANDOM: &str = "package(=testbed) | test(contract) | binary(=contract) | binary(=rotation_year) \
     | binary(=rotation_schedules) | binary(=cache_model)";

const FUZZERS: [&str; 3] = ["key", "request", "token"];

/// Random schedules with many more seeds, then the fuzzers. One that fails does not keep the others
/// from running.
pub(crate) fn test(workspace: &Workspace) -> Result<(), Error> {
    let services = services::start(workspace)?;
    let mut schedules = rust::nextest(workspace, RANDOM, &services)?;
    let mut done = run::run(schedules.args(["--stress-count", TIMES]));
    let mut properties =
        rust::nextest(workspace, "test(arbitrary) | binary(=arbitrary)", &services)?;
    done = done.and(run::run(properties.env("PROPTEST_CASES", CASES)));
    for fuzzer in FUZZERS {
        done = done.and(fuzz(workspace, fuzzer));
    }
    done
}

/// Runs one of `crates/fuzz`, which keeps what it found in a corpus there.
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
    // The fuzzer's instruments are in the nightly compiler alone.
    run::run(fuzz.env("RUSTUP_TOOLCHAIN", "nightly"))
}
