//! Runs commands, and prints them.

use std::collections::VecDeque;
use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Doing, Error};

/// The cargo that started this task.
pub(crate) fn cargo() -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    command(Path::new(&cargo))
}

/// A command that runs cargo, directly or indirectly.
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    // `cargo run` describes this crate in variables. If a build script watches one of them, it would run
    // again for no reason.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    command
}

/// Prints a command, runs it to its end, and prints how long it took.
pub(crate) fn run(command: &mut Command) -> Result<(), Error> {
    let shown = show(command);
    eprintln!("\n==> {shown}");
    let start = Instant::now();
    let heard = if io::stderr().is_terminal() {
        // If somebody is watching, the output has been seen, in colours.
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

/// How many of the last lines are printed again at the end, if a command fails. They are enough, because
/// test runners print failures last.
const LAST: usize = 80;

/// Runs a command to its end and passes its output on. Returns the last lines of its standard output, then
/// those of its standard error, because their common order is not known.
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
        // If a child outlives the command, it may keep the pipe open. That is not waited for.
        let _ = end.recv_timeout(Duration::from_secs(5));
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(last.drain(..));
    }
    Ok((status, all))
}

type Last = Arc<Mutex<VecDeque<String>>>;

/// Passes lines on and keeps the last ones. Sends a message if there are no more.
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
            // If nobody reads the output any longer, the command still goes on.
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

/// Runs a command and returns its standard output.
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

/// The path of a program, if it is on PATH.
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
