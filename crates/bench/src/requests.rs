//! Whole servers under load: what a check costs a request.
//!
//! The server has one processor, wrk another. Requests a second drift with the machine; the time
//! that the kernel says the server ran, through the requests that it answered, does not.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::rounds::Middle;

/// The servers, each with the one that it is compared with.
pub const SERVERS: &[(&str, &str)] = &[
    ("axum-bare", "axum-bare"),
    ("axum-tokens", "axum-bare"),
    ("axum-tokens-uncached", "axum-bare"),
    ("axum-jsonwebtoken", "axum-bare"),
    ("actix-bare", "actix-bare"),
    ("actix-tokens", "actix-bare"),
];

/// What came out for one server.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "made here alone")]
pub struct Server {
    /// Which.
    pub name: String,
    /// Microseconds of CPU a request.
    pub cpu: Middle,
    /// The same beyond the bare server, round by round.
    pub beyond: Middle,
    /// Requests a second at saturation, as a part of the bare server's, round by round.
    pub throughput: Middle,
    /// The 99th percentile of latency with one connection, in microseconds.
    pub p99: Middle,
}

/// One round of one server.
struct Round {
    cpu: f64,
    per_second: f64,
    p99: f64,
}

/// Puts every server under load, in turn, so many times.
///
/// # Errors
/// In words, where a server or wrk does not do what it should.
pub fn measure(server: &Path, wrk: &Path, rounds: usize) -> Result<Vec<Server>, String> {
    let mut all: Vec<Vec<Round>> = SERVERS.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for ((name, _), results) in SERVERS.iter().zip(&mut all) {
            results.push(round(server, wrk, name).map_err(|error| format!("{name}: {error}"))?);
        }
    }
    let describe = |(name, against): &(&str, &str)| {
        let of = |name: &str| {
            let place = SERVERS.iter().position(|(own, _)| *own == name);
            place
                .and_then(|place| all.get(place))
                .map_or(&[][..], Vec::as_slice)
        };
        let (own, bare) = (of(name), of(against));
        let middle = |value: &dyn Fn(&Round, &Round) -> f64| {
            Middle::of(
                own.iter()
                    .zip(bare)
                    .map(|(own, bare)| value(own, bare))
                    .collect(),
            )
        };
        Server {
            name: (*name).to_owned(),
            cpu: middle(&|own, _| own.cpu),
            beyond: middle(&|own, bare| own.cpu - bare.cpu),
            throughput: middle(&|own, bare| own.per_second / bare.per_second),
            p99: middle(&|own, _| own.p99),
        }
    };
    Ok(SERVERS.iter().map(describe).collect())
}

/// A server that is stopped when this goes.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Nothing is left to do about a failure here: the round is over.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn round(server: &Path, wrk: &Path, name: &str) -> Result<Round, String> {
    let child = pinned("0", server).arg(name).stdout(Stdio::piped()).spawn();
    let mut running = Running(child.map_err(|error| error.to_string())?);
    let output = running.0.stdout.take().ok_or("it has no output")?;
    let mut lines = BufReader::new(output).lines();
    let mut line = || lines.next().and_then(Result::ok).ok_or("it says nothing");
    let (url, token) = (line()?, line()?);
    let header = format!("Authorization: Bearer {token}");
    // So that everything is there that is made once.
    load(wrk, &url, &header, "8", "300ms")?;
    let before = cpu_time(running.0.id())?;
    let saturated = load(wrk, &url, &header, "8", "2s")?;
    let used = cpu_time(running.0.id())? - before;
    let relaxed = load(wrk, &url, &header, "1", "500ms")?;
    Ok(Round {
        cpu: used * 1e6 / saturated.requests,
        per_second: saturated.per_second,
        p99: relaxed.p99,
    })
}

/// A program on one processor alone.
fn pinned(processor: &str, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", processor]).arg(program);
    command
}

/// What wrk says.
struct Load {
    requests: f64,
    per_second: f64,
    p99: f64,
}

fn load(
    wrk: &Path,
    url: &str,
    header: &str,
    connections: &str,
    time: &str,
) -> Result<Load, String> {
    // wrk knows whole seconds alone.
    let seconds = if time.ends_with("ms") { "1s" } else { time };
    let output = pinned("1", wrk)
        .args([
            "--threads",
            "1",
            "--connections",
            connections,
            "--duration",
            seconds,
        ])
        .args(["--latency", "--header", header, url])
        .output()
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if text.contains("Non-2xx") || text.contains("Socket errors") {
        return Err(text);
    }
    let requests = text
        .lines()
        .find_map(|line| line.trim().split_once(" requests in "));
    let requests = requests.and_then(|(count, _)| count.parse().ok());
    let per_second = text
        .lines()
        .find_map(|line| line.strip_prefix("Requests/sec:"));
    let per_second = per_second.and_then(|rate| rate.trim().parse().ok());
    let p99 = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("99%"));
    match (
        requests,
        per_second,
        p99.and_then(|time| microseconds(time.trim())),
    ) {
        (Some(requests), Some(per_second), Some(p99)) => Ok(Load {
            requests,
            per_second,
            p99,
        }),
        _ => Err(format!("wrk says:\n{text}")),
    }
}

/// wrk's way to write a time.
fn microseconds(text: &str) -> Option<f64> {
    let units = [("us", 1.0), ("ms", 1e3), ("s", 1e6)];
    let (number, factor) = units
        .into_iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))?;
    Some(number.parse::<f64>().ok()? * factor)
}

/// Seconds that all threads of a process ran, as the kernel's scheduler counted them.
fn cpu_time(process: u32) -> Result<f64, String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_wrk_are_read() {
        assert_eq!(
            microseconds("12.00us").map(f64::to_bits),
            Some(12_f64.to_bits())
        );
        assert_eq!(
            microseconds("1.50ms").map(f64::to_bits),
            Some(1500_f64.to_bits())
        );
        assert_eq!(microseconds("soon"), None);
    }
}
