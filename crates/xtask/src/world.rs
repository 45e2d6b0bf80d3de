//! The example servers with clients that others wrote: a strict OAuth client, clients that prove a key (DPoP), and a
//! tester that knows nothing about them but their OpenAPI document.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::error::{Doing as _, Error};
use crate::examples;
use crate::npm;
use crate::python;
use crate::run;
use crate::workspace::Workspace;

/// The seed of the requests, so that each run makes the same.
const SEED: &str = "8414";

/// The keys of the servers. They need not be secret, because only this machine can connect.
const INTROSPECTION_KEY: &str = "an-introspection-key-of-many-letters";
const ADMIN_KEY: &str = "an-administrator-s-key-of-many-letters";

/// Tests both examples.
pub(crate) fn test(workspace: &Workspace) -> Result<(), Error> {
    let folder = workspace.root.join("crates/e2e/peers");
    npm::install(&folder)?;
    let environment = workspace.target.join("python/e2e");
    let programs = python::environment(&environment, &folder.join("requirements.txt"))?;
    let node = npm::NODE.get()?;
    for (name, program) in examples::login_servers(workspace) {
        eprintln!("\n==> a strict OAuth client and clients that prove a key drive {name}");
        let mut client = Command::new(&node);
        client.args([
            "--test",
            "--test-reporter=spec",
            "oauth.test.mjs",
            "dpop.test.mjs",
        ]);
        client.env("HALLPASS_E2E_SERVER", &program);
        run::run(client.current_dir(&folder))?;
        let mut proofs = Command::new(programs.join("python"));
        proofs.args(["-W", "ignore", "dpop_proofs.py"]);
        proofs.env("HALLPASS_E2E_SERVER", &program);
        run::run(proofs.current_dir(&folder))?;
        for transport in ["cookie", "session"] {
            eprintln!("\n==> schemathesis asks {name} in transport {transport}, seed {SEED}");
            schemathesis(&programs, &folder, &program, transport)?;
        }
    }
    Ok(())
}

fn schemathesis(
    programs: &Path,
    folder: &Path,
    program: &Path,
    transport: &str,
) -> Result<(), Error> {
    let server = Server::start(program)?;
    let url = &server.url;
    let mut asked = Command::new(programs.join("schemathesis"));
    let config = folder.join("schemathesis.toml");
    asked.arg("--config-file").arg(config);
    asked.arg("run").arg(format!("{url}/openapi.json"));
    asked.args(["--url", url, "--seed", SEED]);
    asked
        .env("SCHEMATHESIS_HOOKS", "schemathesis_hooks")
        .env("PYTHONPATH", folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("HALLPASS_E2E_URL", url)
        .env("HALLPASS_E2E_TRANSPORT", transport)
        .env("HALLPASS_E2E_INTROSPECTION_KEY", INTROSPECTION_KEY)
        .env("HALLPASS_E2E_ADMIN_KEY", ADMIN_KEY);
    // It stores results in the current folder, and would read them in the next run if it found them.
    run::run(asked.current_dir(server.files.path()))
}

/// An example server with everything switched on; ended when dropped.
struct Server {
    url: String,
    process: Child,
    files: TempDir,
}

impl Server {
    fn start(program: &Path) -> Result<Self, Error> {
        let files = tempfile::tempdir().doing("create a temporary folder")?;
        let keys: PathBuf = files.path().join("keys.json");
        let mut command = Command::new(program);
        command
            .args(["--listen", "127.0.0.1:0", "--store", "memory:"])
            .args(["--rate-limit", "off", "--admin-key", ADMIN_KEY])
            .args(["--access-ttl", "5m"])
            .args(["--introspection-key", INTROSPECTION_KEY, "--keys"])
            .arg(keys)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut process = command.spawn().doing("start an example server")?;
        let mut line = String::new();
        if let Some(output) = process.stdout.take() {
            let mut output = BufReader::new(output);
            output
                .read_line(&mut line)
                .doing("read the address of an example server")?;
        }
        let url = line.trim_end().strip_prefix("listening on ");
        let url = url.unwrap_or_default().to_owned();
        let server = Self {
            url,
            process,
            files,
        };
        if server.url.is_empty() {
            let (service, log) = ("an example server", line);
            return Err(Error::NotStarted { service, log });
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // If this fails, the process has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
