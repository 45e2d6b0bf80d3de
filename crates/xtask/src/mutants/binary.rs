//! A test binary, which is asked about one change after the other.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::mixed::VARIABLE;
use crate::error::{Doing as _, Error};

/// The compiled tests of one file, and what is known of them.
#[derive(Debug)]
pub(crate) struct Binary {
    pub(crate) package: String,
    /// The package and the target.
    pub(crate) name: String,
    path: PathBuf,
    folder: PathBuf,
    /// What fails before anything is changed, so it says nothing.
    pub(crate) skipped: Vec<String>,
    /// How long it takes if nothing is changed.
    pub(crate) time: Duration,
    environment: Vec<(String, String)>,
}

/// What a binary said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Passed,
    Failed,
    Hangs,
}

impl Binary {
    /// Of a message of cargo.
    pub(crate) fn of(message: &Value) -> Option<Self> {
        let path = message["executable"].as_str()?;
        let folder = Path::new(message["manifest_path"].as_str()?).parent()?;
        let package = folder.file_name()?.to_string_lossy().into_owned();
        if message.pointer("/profile/test")? != true {
            return None;
        }
        let target = message.pointer("/target/name")?.as_str()?;
        Some(Self {
            name: format!("{package}::{target}"),
            package,
            path: path.into(),
            folder: folder.to_owned(),
            skipped: Vec::new(),
            time: Duration::ZERO,
            environment: Vec::new(),
        })
    }

    /// Runs it on the code as it is. Returns whether it can be asked.
    pub(crate) fn baseline(&mut self, environment: &[(&str, &str)]) -> Result<bool, Error> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        self.environment = environment.iter().map(own).collect();
        for _ in 0..3 {
            let start = Instant::now();
            let output = self
                .command(0)
                .output()
                .doing(format!("run {}", self.name))?;
            self.time = start.elapsed();
            if output.status.success() {
                return Ok(true);
            }
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let failed = text.lines().filter_map(|line| {
                let line = line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?;
                Some(line.trim_end_matches(" - should panic").to_owned())
            });
            self.skipped.extend(failed);
        }
        Ok(false)
    }

    /// Runs it with a change, until a test fails.
    pub(crate) fn ask(&self, number: usize) -> Result<Said, Error> {
        let doing = || format!("run {}", self.name);
        let limit = self.time * 5 + Duration::from_secs(20);
        let mut process = self
            .command(number)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .doing(doing())?;
        let (tell, told) = mpsc::channel();
        let output = process.stdout.take();
        thread::spawn(move || {
            let lines = output.map(BufReader::new).map(BufRead::lines);
            let mut lines = lines.into_iter().flatten().map_while(Result::ok);
            let _ = tell.send(lines.any(|line| line.ends_with(" ... FAILED")));
        });
        let said = match told.recv_timeout(limit) {
            Ok(true) => Said::Failed,
            // It has closed its output, because it ends.
            Ok(false) | Err(RecvTimeoutError::Disconnected) => {
                return Ok(if process.wait().doing(doing())?.success() {
                    Said::Passed
                } else {
                    Said::Failed
                });
            }
            Err(RecvTimeoutError::Timeout) => Said::Hangs,
        };
        // What it started is in the same group.
        let group = format!("-{}", process.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        process.wait().doing(doing())?;
        Ok(said)
    }

    fn command(&self, number: usize) -> Command {
        let mut command = Command::new(&self.path);
        command
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .env("CARGO_MANIFEST_DIR", &self.folder)
            .env(VARIABLE, number.to_string());
        for (name, value) in &self.environment {
            command.env(name, value);
        }
        if !self.skipped.is_empty() {
            command.arg("--exact");
        }
        for test in &self.skipped {
            command.args(["--skip", test]);
        }
        command
    }
}
