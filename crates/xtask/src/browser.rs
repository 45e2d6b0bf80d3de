//! The web client and the examples' page in Chromium.

use std::path::PathBuf;

use crate::error::{Doing as _, Error};
use crate::examples;
use crate::npm;
use crate::program::Program;
use crate::run;
use crate::workspace::Workspace;

static CHROMIUM: Program = Program {
    name: "Chromium",
    package: "chromium",
    files: &["chromium", "chromium-browser", "google-chrome"],
    elsewhere: Vec::new,
    variable: None,
};

static FIREFOX: Program = Program {
    name: "Firefox",
    package: "firefox-esr",
    files: &["firefox-esr", "firefox"],
    elsewhere: Vec::new,
    variable: None,
};

static WEBKIT: Program = Program {
    name: "the driver of WebKitGTK",
    package: "webkit2gtk-driver",
    files: &["WebKitWebDriver"],
    elsewhere: Vec::new,
    variable: None,
};

/// A screen for WebKitGTK's browser, which cannot do without.
static XVFB: Program = Program {
    name: "Xvfb",
    package: "xvfb",
    files: &["xvfb-run"],
    elsewhere: Vec::new,
    variable: None,
};

/// Installs Chromium, and the packages of the client that drive it. Returns npm.
pub(crate) fn ready(workspace: &Workspace) -> Result<PathBuf, Error> {
    CHROMIUM.get()?;
    npm::ready(&workspace.root.join("clients/web"))
}

/// Runs the long tests of sessions that are bound to their browser, with each example.
pub(crate) fn test_device(workspace: &Workspace) -> Result<(), Error> {
    test_long(workspace, "device")
}

/// The files of the browser tests that other engines can run, tests that need more of the engine left out: those are
/// skipped with a reason. The rest turn the clock of a page, click through the examples' page, or bind sessions to the
/// browser, which Chromium alone can do.
const IN_EVERY_ENGINE: [&str; 5] = ["dpop", "faults", "lifetimes", "storage", "tabs"];

/// The variable that names Firefox.
const FIREFOX_PATH: &str = "HALLPASS_FIREFOX";

/// Installs the other engines. Returns Firefox.
fn ready_engines() -> Result<PathBuf, Error> {
    for program in [&WEBKIT, &XVFB] {
        program.get()?;
    }
    FIREFOX.get()
}

/// Tests the client in other engines than Chromium's, with each example.
pub(crate) fn test_engines(workspace: &Workspace) -> Result<(), Error> {
    let firefox = ready_engines()?;
    let mut done = test_long(workspace, "engines");
    let folder = workspace.root.join("clients/web");
    let npm = npm::NPM.get()?;
    let keys = tempfile::tempdir().doing("create a temporary folder")?;
    for engine in ["firefox", "webkit"] {
        for (name, program) in examples::login_servers(workspace) {
            eprintln!("\n==> the browser tests in {engine}, against {name}");
            let mut tests = npm::command(&npm, &folder);
            tests
                .args(["run", "--silent", "test:e2e"])
                .args(IN_EVERY_ENGINE);
            tests.env("HALLPASS_KEYS", keys.path().join("keys.json"));
            tests.env("HALLPASS_E2E_BROWSER", engine);
            tests.env(FIREFOX_PATH, &firefox);
            done = done.and(run::run(tests.env("HALLPASS_E2E_SERVER", program)));
        }
    }
    done
}

/// Runs one file of `clients/web/long`.
fn test_long(workspace: &Workspace, file: &str) -> Result<(), Error> {
    let folder = workspace.root.join("clients/web");
    let npm = ready(workspace)?;
    examples::build(workspace)?;
    run::run(npm::command(&npm, &folder).args(["run", "--silent", "build"]))?;
    let keys = tempfile::tempdir().doing("create a temporary folder")?;
    let mut done = Ok(());
    for (name, program) in examples::login_servers(workspace) {
        eprintln!("\n==> {file}, against {name}");
        let mut tests = npm::command(&npm, &folder);
        tests.args(["run", "--silent", "test:long", file]);
        tests.env("HALLPASS_KEYS", keys.path().join("keys.json"));
        if file == "engines" {
            tests.env(FIREFOX_PATH, FIREFOX.get()?);
        }
        done = done.and(run::run(tests.env("HALLPASS_E2E_SERVER", program)));
    }
    done
}

/// Tests the client in browsers without a window: in Chromium first with a mock of the contract, which can fail in
/// ways that a server should not, and then with each built example; and in the other engines what each has to do.
pub(crate) fn test(workspace: &Workspace) -> Result<(), Error> {
    let folder = workspace.root.join("clients/web");
    let npm = ready(workspace)?;
    run::run(npm::command(&npm, &folder).args(["run", "--silent", "build"]))?;
    let keys = tempfile::tempdir().doing("create a temporary folder")?;
    let tests = || {
        let mut tests = npm::command(&npm, &folder);
        tests
            .args(["run", "--silent", "test:e2e"])
            .env("HALLPASS_KEYS", keys.path().join("keys.json"));
        tests
    };
    let mut done = run::run(&mut tests());
    for (name, program) in examples::login_servers(workspace) {
        eprintln!("\n==> the same against {name}");
        let tested = run::run(tests().env("HALLPASS_E2E_SERVER", program));
        done = done.and(tested);
    }
    // What every engine has to do, with one server: they differ in what a page gets, and not in what is answered.
    // The access tokens live for five minutes, so that a busy machine is no reason to fail.
    if let Some((name, program)) = examples::login_servers(workspace).into_iter().next() {
        let firefox = ready_engines()?;
        eprintln!("\n==> login, renewal and reload in the other engines, against {name}");
        let mut tests = npm::command(&npm, &folder);
        tests.args(["run", "--silent", "test:long", "engines"]);
        tests.env("HALLPASS_KEYS", keys.path().join("keys.json"));
        tests.env(FIREFOX_PATH, firefox);
        done = done.and(run::run(tests.env("HALLPASS_E2E_SERVER", program)));
    }
    done
}
