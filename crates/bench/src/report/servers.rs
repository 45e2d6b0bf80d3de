//! The figures of whole servers under load.

use std::fmt::Write as _;

use crate::operation::OURS;
use crate::requests::{Beside, Latency, RATE, Server};
use crate::rounds::Middle;

/// Microseconds of CPU that a check may take, with the token seen before.
const BEYOND: f64 = 0.4;
/// The part of the bare server's throughput that has to be left.
const THROUGHPUT: f64 = 0.95;
/// What p99 may be of the bare server's.
const P99: f64 = 1.1;

/// Two tables in Markdown: the figures, and the promises.
pub fn requests(all: &[Server]) -> String {
    let mut text = format!(
        "| server | CPU a request, µs | beyond the bare server, µs | Redis' own CPU, µs | requests a second | of the bare server's | p99 at {} a second, µs | p99 at half of the bare server's most, µs |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|\n",
        super::number(RATE)
    );
    for server in all {
        let p99 = |latency: Option<Latency>| {
            latency.map_or("–".to_owned(), |latency| spread(latency.p99, 0, 1.0))
        };
        let compared = |text: String| if server.bare { String::new() } else { text };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            server.name,
            spread(server.cpu, 2, 1.0),
            compared(spread(server.beyond, 2, 1.0)),
            server
                .redis
                .map_or_else(String::new, |redis| spread(redis, 2, 1.0)),
            super::number(server.per_second.median),
            compared(format!("{} %", spread(server.throughput, 0, 100.0))),
            p99(server.same_rate),
            p99(server.half_rate),
        );
    }
    text.push_str("\n| promised | of | measured | |\n|---|---|--:|---|\n");
    let ours = all
        .iter()
        .filter(|server| server.name.ends_with(&format!("-{OURS}")));
    for server in ours {
        let mut beside = |other: &str, beside: &Beside| {
            for (of, measured, met) in promises(beside) {
                let met = if met { "met" } else { "**missed**" };
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
            spread(beyond, 2, 1.0),
            beyond.median <= BEYOND,
        ),
        (
            format!("≥ {:.0} % of its throughput", THROUGHPUT * 100.0),
            format!("{} %", spread(throughput, 1, 100.0)),
            throughput.median >= THROUGHPUT,
        ),
    ];
    let a_second = format!("{} a second", super::number(RATE));
    for (rate, p99) in [
        (a_second, same_rate),
        ("half of the bare server's most".to_owned(), half_rate),
    ] {
        if let Some(p99) = p99 {
            promises.push((
                format!("≤ {P99}× its p99 at {rate}"),
                format!("{}×", spread(p99, 2, 1.0)),
                p99.median <= P99,
            ));
        }
    }
    promises
}

fn spread(Middle { low, median, high }: Middle, digits: usize, factor: f64) -> String {
    let [low, median, high] = [low, median, high].map(|value| value * factor);
    format!("{median:.digits$} ({low:.digits$} to {high:.digits$})")
}
