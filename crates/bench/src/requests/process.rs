//! Programs under measurement: on which processor they run, and for how long they ran.

use std::path::Path;
use std::process::{Child, Command};

/// A command that runs a program on one processor alone.
pub(super) fn pinned(processor: &str, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", processor]).arg(program);
    command
}

/// Moves a process that runs already, with all its threads.
pub(super) fn pin(processor: &str, process: u32) -> Result<(), String> {
    let mut command = Command::new("taskset");
    command.args(["--all-tasks", "--pid", "--cpu-list", processor]);
    let output = command.arg(process.to_string()).output();
    let output = output.map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// A process that is stopped when this is dropped.
#[derive(Debug)]
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // If this fails, the process has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Seconds that all threads of a process and of its children ran, as the kernel's scheduler counted them.
pub(super) fn cpu_time(process: u32) -> Result<f64, String> {
    let children = format!("/proc/{process}/task/{process}/children");
    let children = std::fs::read_to_string(children).unwrap_or_default();
    let mut sum = own_time(process)?;
    for child in children.split_whitespace().filter_map(|id| id.parse().ok()) {
        // One that has ended meanwhile has no time any more.
        sum += own_time(child).unwrap_or_default();
    }
    Ok(sum)
}

fn own_time(process: u32) -> Result<f64, String> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task"));
    let mut sum = 0.0;
    for thread in threads.map_err(|error| error.to_string())?.flatten() {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        let nanoseconds = text
            .split(' ')
            .next()
            .and_then(|first| first.parse::<f64>().ok());
        sum += nanoseconds.unwrap_or_default() / 1e9;
    }
    Ok(sum)
}
