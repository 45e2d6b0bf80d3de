//! Runs commands, and shows which.

use std::collections::VecDeque;
use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Doing, Error};

/// cargo, as this task was started by it.
pub(crate) fn cargo() -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    command(Path::new(&cargo))
}

/// cargo, or a program that starts it.
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    // `cargo run` describes this crate in the environment; a build script that watches one of
    // these variables would run again for nothing.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command to its end, showing it and how long it took.
pub(crate) fn run(command: &mut Command) -> Result<(), Error> {
    let shown = show(command);
    eprintln!("\n==> {shown}");
    let start = Instant::now();
    let heard = if io::stderr().is_terminal() {
        // Whoever sits there has seen it, in colours.
        command.status().map(|status| (status, Vec::new()))
    } else {
        listen(command)
    };
    let (status, last) = heard.doing(format!("run `{shown}`"))?;
    eprintln!("==> {:.1} s", start.elapsed().as_secs_f64());
    if status.success() {
        Ok(())
    } else {
        Err(Error::Failed {
            command: shown,
            status,
            last,
        })
    }
}

/// How many lines of a command that failed are shown again at the end: test runners tell of their
/// failures last.
const LAST: usize = 80;

/// Runs a command to its end, passing on what it says, with the last lines of that: those of its
/// standard output, then those of its standard error, since nobody knows how they went together.
fn listen(command: &mut Command) -> io::Result<(ExitStatus, Vec<String>)> {
    let mut process = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (out, err) = (process.stdout.take(), process.stderr.take());
    let streams = [
        out.map(|from| pass_on(from, io::stdout())),
        err.map(|from| pass_on(from, io::stderr())),
    ];
    let status = process.wait()?;
    let mut all = Vec::new();
    for (end, last) in streams.into_iter().flatten() {
        // What outlives the command may keep the pipe; nobody waits for that.
        let _ = end.recv_timeout(Duration::from_secs(5));
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(last.drain(..));
    }
    Ok((status, all))
}

type Last = Arc<Mutex<VecDeque<String>>>;

/// Passes lines on and keeps the last; says when there are no more.
fn pass_on(
    from: impl Read + Send + 'static,
    mut to: impl Write + Send + 'static,
) -> (Receiver<()>, Last) {
    let (over, end) = mpsc::channel();
    let kept = Last::default();
    let last = Arc::clone(&kept);
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            // Whoever reads it may have gone; the command goes on.
            let _ = to.write_all(&line).and_then(|()| to.flush());
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            last.push_back(String::from_utf8_lossy(&line).trim_end().to_owned());
            if last.len() > LAST {
                last.pop_front();
            }
            line.clear();
        }
        let _ = over.send(());
    });
    (end, kept)
}

/// Runs a command silently, for what it prints.
pub(crate) fn output(command: &mut Command) -> Result<String, Error> {
    let shown = show(command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .doing(format!("run `{shown}`"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(Error::Failed {
            command: shown,
            status: output.status,
            last: Vec::new(),
        })
    }
}

/// A program on PATH.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

fn show(command: &Command) -> String {
    let program = PathBuf::from(command.get_program());
    let mut shown = program
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    for argument in command.get_args() {
        shown.push(' ');
        shown.push_str(&argument.to_string_lossy());
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_of_a_command_are_kept_and_its_status() {
        let mut command = Command::new("sh");
        command.args(["-c", "seq 100; echo failed >&2; exit 3"]);
        let (status, last) = listen(&mut command).unwrap();
        assert_eq!(status.code(), Some(3));
        assert_eq!(last.len(), LAST + 1);
        assert_eq!(last[LAST - 1..], ["100", "failed"]);
    }

    #[test]
    fn a_process_that_outlives_a_command_is_not_waited_for() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 2>/dev/null & echo $!"]);
        let (status, last) = listen(&mut command).unwrap();
        assert!(status.success());
        let kill = Command::new("kill").arg(&last[0]).status();
        assert!(kill.unwrap().success(), "it still ran");
    }
}
