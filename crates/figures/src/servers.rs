//! Whole servers under load.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::middle::Middle;
use crate::number::{met, number};

/// Requests a second for everybody, below the saturation of all.
pub const RATE: f64 = 5000.0;

/// Microseconds of CPU that a check may take, with the token seen before.
const BEYOND: f64 = 0.4;
/// The part of the bare server's throughput that has to be left.
const THROUGHPUT: f64 = 0.95;
/// What p99 may be of the bare server's.
const P99: f64 = 1.1;

/// What came out for one server.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "figures")]
pub struct Server {
    /// The server.
    pub name: String,
    /// Whether it is compared with itself.
    pub bare: bool,
    /// Microseconds of CPU a request.
    pub cpu: Middle,
    /// The same beyond the bare server, round by round.
    pub beyond: Middle,
    /// Microseconds of CPU a request that the server of the sessions ran, Redis or PostgreSQL.
    pub store: Option<Middle>,
    /// Requests a second at saturation.
    pub per_second: Middle,
    /// The same as a part of the bare server's, round by round.
    pub throughput: Middle,
    /// Latency at the rate that is the same for all.
    pub same_rate: Option<Latency>,
    /// Latency at half of what the bare server does at most.
    pub half_rate: Option<Latency>,
    /// Compared with itself with the check removed, if that is measured.
    pub unchecked: Option<Beside>,
    /// With many sessions that each ask now and then, if that is measured.
    pub steady: Option<Steady>,
}

/// Ten thousand sessions that each ask every five seconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "figures")]
pub struct Steady {
    /// Microseconds of CPU a request.
    pub cpu: Middle,
    /// The same beyond the bare server at the same rate, round by round.
    pub beyond: Middle,
    /// Microseconds of CPU a request that the server of the sessions ran, Redis or PostgreSQL.
    pub store: Option<Middle>,
}

/// One server beside another, round by round.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "figures")]
pub struct Beside {
    /// Microseconds of CPU a request beyond the other's.
    pub beyond: Middle,
    /// Requests a second at saturation, as a part of the other's.
    pub throughput: Middle,
    /// The 99th percentile of latency at the rate that is the same for all, as a part of the other's.
    pub same_rate: Option<Middle>,
    /// The same at half of what the bare server does at most.
    pub half_rate: Option<Middle>,
}

/// The 99th percentile of latency.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "figures")]
pub struct Latency {
    /// In microseconds, from the time at which a request was due.
    pub p99: Middle,
    /// As a part of the bare server's, round by round.
    pub of_bare: Middle,
}

/// Two tables in Markdown: the figures, and the promises.
pub fn table(all: &[Server]) -> String {
    let mut text = format!(
        "| server | CPU a request, µs | beyond the bare server, µs | the store's own CPU, µs | requests a second | of the bare server's | p99 at {} a second, µs | p99 at half of the bare server's most, µs |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|\n",
        number(RATE)
    );
    for server in all {
        let p99 = |latency: Option<Latency>| {
            latency.map_or("–".to_owned(), |latency| latency.p99.spread(0, 1.0))
        };
        let compared = |text: String| if server.bare { String::new() } else { text };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            server.name,
            server.cpu.spread(2, 1.0),
            compared(server.beyond.spread(2, 1.0)),
            server
                .store
                .map_or_else(String::new, |store| store.spread(2, 1.0)),
            number(server.per_second.median),
            compared(format!("{} %", server.throughput.spread(0, 100.0))),
            p99(server.same_rate),
            p99(server.half_rate),
        );
    }
    text.push_str("\n| promised | of | measured | |\n|---|---|--:|---|\n");
    let ours = all
        .iter()
        .filter(|server| server.name.ends_with("-hallpass"));
    for server in ours {
        let mut beside = |other: &str, beside: &Beside| {
            for (of, measured, kept) in promises(beside) {
                let met = met(kept);
                let name = &server.name;
                let _ = writeln!(
                    text,
                    "| {name} beside {other} | {of} | {measured} | {met} |"
                );
            }
        };
        if let Some(unchecked) = &server.unchecked {
            beside("itself with the check removed", unchecked);
        }
        let of_bare = |latency: Option<Latency>| latency.map(|latency| latency.of_bare);
        let bare = Beside {
            beyond: server.beyond,
            throughput: server.throughput,
            same_rate: of_bare(server.same_rate),
            half_rate: of_bare(server.half_rate),
        };
        beside("the bare server", &bare);
    }
    text
}

/// A table in Markdown of the servers with many sessions that each ask now and then.
pub fn steady_table(all: &[Server]) -> String {
    let mut text = String::from(
        "| server | CPU a request, µs | beyond the bare server, µs | the store's own CPU, µs |\n\
         |---|--:|--:|--:|\n",
    );
    for server in all {
        let Some(Steady { cpu, beyond, store }) = server.steady else {
            continue;
        };
        let beyond = if server.bare {
            String::new()
        } else {
            beyond.spread(2, 1.0)
        };
        let store = store.map_or_else(String::new, |store| store.spread(2, 1.0));
        let cpu = cpu.spread(2, 1.0);
        let _ = writeln!(text, "| {} | {cpu} | {beyond} | {store} |", server.name);
    }
    text
}

/// What is promised beside another server, what was measured, and whether it is met.
fn promises(beside: &Beside) -> Vec<(String, String, bool)> {
    let Beside {
        beyond,
        throughput,
        same_rate,
        half_rate,
    } = *beside;
    let mut promises = vec![
        (
            format!("≤ {BEYOND} µs CPU a request more"),
            beyond.spread(2, 1.0),
            beyond.median <= BEYOND,
        ),
        (
            format!("≥ {:.0} % of its throughput", THROUGHPUT * 100.0),
            format!("{} %", throughput.spread(1, 100.0)),
            throughput.median >= THROUGHPUT,
        ),
    ];
    let a_second = format!("{} a second", number(RATE));
    for (rate, p99) in [
        (a_second, same_rate),
        ("half of the bare server's most".to_owned(), half_rate),
    ] {
        if let Some(p99) = p99 {
            promises.push((
                format!("≤ {P99}× its p99 at {rate}"),
                format!("{}×", p99.spread(2, 1.0)),
                p99.median <= P99,
            ));
        }
    }
    promises
}
