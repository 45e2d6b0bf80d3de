//! A running example server, with files of its own.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, JoinHandle};

use tempfile::TempDir;

use crate::client::Client;
use crate::document::Document;
use crate::patience::soon;
use crate::transcript::Transcript;

/// A folder in which servers keep their database and keys; several servers may share it.
#[derive(Debug)]
pub struct Files(TempDir);

impl Files {
    /// An empty folder that is deleted on drop.
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The key file.
    pub fn keys(&self) -> PathBuf {
        self.path("keys.json")
    }
}

impl Default for Files {
    fn default() -> Self {
        Self::new()
    }
}

/// A running server; killed when dropped.
#[derive(Debug)]
pub struct Server {
    process: Child,
    url: String,
    output: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
    transcript: Transcript,
    /// The OpenAPI document of a demo; empty for another program.
    document: Option<OnceLock<Arc<Document>>>,
}

impl Server {
    /// Starts the program on a database and keys of its own, and waits for its address.
    pub fn start(program: &str, flags: &[&str]) -> (Self, Files) {
        let files = Files::new();
        (Self::start_on(program, &files, flags), files)
    }

    /// Starts the program on the given files.
    pub fn start_on(program: &str, files: &Files, flags: &[&str]) -> Self {
        Self::start_with(program, files, flags, &[])
    }

    /// Starts the program on the given files, with these variables.
    pub fn start_with(
        program: &str,
        files: &Files,
        flags: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let mut command = command(program, files, flags);
        Self::run(command.envs(variables.iter().copied()))
    }

    /// Starts a program that is not a login example, with these flags alone.
    pub fn start_other(program: &str, flags: &[&str]) -> Self {
        let mut server = Self::run(bare(program).args(flags));
        server.document = None;
        server
    }

    fn run(command: &mut Command) -> Self {
        let mut process = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = Arc::new(Mutex::new(String::new()));
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let errors = collect(process.stderr.take().unwrap(), &output);
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let Some(url) = line.strip_prefix("listening on ") else {
            let _ = process.wait();
            let _ = errors.join();
            panic!("no address, but {line:?} and {}", output.lock().unwrap());
        };
        let url = url.trim_end().to_owned();
        let readers = vec![errors, collect(stdout, &output)];
        Self {
            process,
            url,
            output,
            readers,
            transcript: Transcript::current(),
            document: Some(OnceLock::new()),
        }
    }

    /// A client of it.
    pub fn client(&self) -> Client {
        let client = Client::new(&self.url, self.transcript.clone());
        match &self.document {
            Some(document) => client.holding_to(document),
            None => client,
        }
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Its address, as it printed it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -s {name} {}", self.process.id());
        Command::new("sh").args(["-c", &kill]).status().unwrap();
    }

    /// Everything that it has written so far.
    pub fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    /// Kills it, as a crash would.
    pub fn kill(mut self) -> String {
        self.process.kill().unwrap();
        self.finish().1
    }

    /// Asks it to end, waits until it does, and returns everything that it wrote.
    pub fn terminate(self) -> (ExitStatus, String) {
        self.signal("TERM");
        self.end()
    }

    /// Waits until it ends, and returns everything that it wrote.
    pub fn end(mut self) -> (ExitStatus, String) {
        soon("it ends", || self.process.try_wait().unwrap().is_some());
        self.finish()
    }

    fn finish(&mut self) -> (ExitStatus, String) {
        let status = self.process.wait().unwrap();
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        (status, self.output.lock().unwrap().clone())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended before; nothing can be done here if this fails.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs the program with flags that it must refuse, and returns what it said.
pub fn refused(program: &str, files: &Files, flags: &[&str]) -> Output {
    refused_in(program, files, flags, &[])
}

/// The same with environment variables.
pub fn refused_in(
    program: &str,
    files: &Files,
    flags: &[&str],
    variables: &[(&str, &str)],
) -> Output {
    let mut command = command(program, files, flags);
    command.envs(variables.iter().copied()).output().unwrap()
}

/// The same for a program that is not a login example.
pub fn refused_other(program: &str, flags: &[&str]) -> Output {
    bare(program).args(flags).output().unwrap()
}

/// Runs a program that ends by itself, and types these lines.
pub fn run(program: &str, flags: &[&str], lines: &str) -> Output {
    let mut command = bare(program);
    let piped = command.args(flags).stdin(Stdio::piped());
    let output = piped.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = output.spawn().unwrap();
    // It may end without reading them.
    let _ = process.stdin.take().unwrap().write_all(lines.as_bytes());
    process.wait_with_output().unwrap()
}

/// The program without flags.
fn bare(program: &str) -> Command {
    let mut command = Command::new(binary(program));
    // The environment of the tests must not change them.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HALLPASS_") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// The program with the flags of every test, which the given ones override.
fn command(program: &str, files: &Files, flags: &[&str]) -> Command {
    let mut command = bare(program);
    let defaults: [(&str, OsString); 6] = [
        ("--listen", "127.0.0.1:0".into()),
        ("--store", sqlite(&files.path("sessions.db"))),
        ("--keys", files.keys().into()),
        ("--issuer", "https://id.example".into()),
        ("--audience", "https://api.example".into()),
        ("--rate-limit", "off".into()),
    ];
    for (name, value) in defaults {
        if !flags.contains(&name) {
            command.arg(name).arg(value);
        }
    }
    // The demos' own default is so short that a busy machine might outlast it.
    command.env("HALLPASS_ACCESS_TTL", "5m");
    command.args(flags);
    command
}

/// The folder of this test's own program, into which cargo builds.
fn binary(program: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let file = own.ancestors().nth(2).unwrap().join(program);
    assert!(
        file.exists(),
        "{} is missing: `cargo build -p {program}`, or run `cargo xtask test`",
        file.display()
    );
    file
}

fn sqlite(path: &Path) -> OsString {
    let mut url = OsString::from("sqlite:");
    url.push(path);
    url
}

fn collect(from: impl Read + Send + 'static, output: &Arc<Mutex<String>>) -> JoinHandle<()> {
    let output = Arc::clone(output);
    thread::spawn(move || {
        for line in BufReader::new(from).lines() {
            let mut output = output.lock().unwrap();
            output.push_str(&line.unwrap());
            output.push('\n');
        }
    })
}
