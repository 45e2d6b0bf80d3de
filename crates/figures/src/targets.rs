//! What was planned, and what came of it: ratios within one run.

use std::fmt::Write as _;

use crate::number::{met, whole};
use crate::operations::Line;
use crate::run::Run;
use crate::servers::{Server, Steady};
use crate::stores;

/// A limit on a ratio or a number.
#[derive(Clone, Copy)]
enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

/// One thing that was planned.
struct Target {
    operation: &'static str,
    /// What it is compared with, and how far, in words.
    words: &'static str,
    limit: Limit,
    /// What was measured; `None` if it was not.
    measured: fn(&Run) -> Option<f64>,
    /// Digits after the point.
    digits: usize,
    unit: &'static str,
}

const fn target(
    operation: &'static str,
    words: &'static str,
    limit: Limit,
    measured: fn(&Run) -> Option<f64>,
) -> Target {
    Target {
        operation,
        words,
        limit,
        measured,
        digits: 2,
        unit: " ×",
    }
}

const SIXTH: Limit = Limit::AtMost(1.0 / 6.0);
const POSTGRES_FULL: &str = "PostgreSQL, each commit on the disk";
const POSTGRES_OFF: &str = "PostgreSQL, `synchronous_commit` off";
const SQLITE_FULL: &str = "SQLite, each commit on the disk";
const MANY: &str = ", 64 callers";

const TARGETS: &[Target] = &[
    target(
        "server session on Redis, remembered, CPU beyond the bare server",
        "≤ 1/6 of tower-sessions'",
        SIXTH,
        |run| {
            beyond(
                run,
                "axum-session-redis-remembered",
                "axum, tower-sessions on Redis",
            )
        },
    ),
    target(
        "the same, CPU of Redis itself",
        "≤ 1/20 of tower-sessions'",
        Limit::AtMost(0.05),
        |run| {
            on_store(
                run,
                "axum-session-redis-remembered",
                "axum, tower-sessions on Redis",
            )
        },
    ),
    target(
        "server session in memory, remembered, CPU beyond the bare server",
        "≤ 0.5 of tower-sessions'",
        Limit::AtMost(0.5),
        |run| {
            beyond(
                run,
                "axum-session-remembered",
                "axum, tower-sessions on memory",
            )
        },
    ),
    target(
        "server session on PostgreSQL, remembered, CPU beyond the bare server",
        "≤ 1/6 of tower-sessions'",
        SIXTH,
        |run| {
            beyond(
                run,
                "axum-session-postgres-remembered",
                "axum, tower-sessions on PostgreSQL",
            )
        },
    ),
    target(
        "server session on SQLite, remembered, CPU beyond the bare server",
        "≤ 1/6 of tower-sessions'",
        SIXTH,
        |run| {
            beyond(
                run,
                "axum-session-sqlite-remembered",
                "axum, tower-sessions on SQLite",
            )
        },
    ),
    target(
        "read a session on memory",
        "≤ 0.7 of tower-sessions' time",
        Limit::AtMost(0.7),
        |run| of_other(run, "read a session on memory", "tower-sessions"),
    ),
    target(
        "refresh on SQLite, each commit on the disk, 64 callers",
        "≥ 5 times the statement in a loop",
        Limit::AtLeast(5.0),
        |run| of_best(run, SQLITE_FULL, "the statement in a loop"),
    ),
    target(
        "refresh on PostgreSQL, each commit on the disk, 64 callers",
        "≥ 2 times `pgbench` at its best number of clients",
        Limit::AtLeast(2.0),
        |run| of_best(run, POSTGRES_FULL, "pgbench"),
    ),
    target(
        "the same, `synchronous_commit` off",
        "≥ 1.5 times `pgbench` at its best number of clients",
        Limit::AtLeast(1.5),
        |run| of_best(run, POSTGRES_OFF, "pgbench"),
    ),
    target(
        "refresh on Redis, EdDSA, 64 callers",
        "≥ 0.95 of the same script by redis-benchmark, 64 clients",
        Limit::AtLeast(0.95),
        |run| of_best(run, "Redis", "redis-benchmark, 64 clients"),
    ),
    target(
        "99th percentile of a refresh on PostgreSQL at a quarter of the most",
        "≤ 1.1 of what it is if every refresh is sent alone",
        Limit::AtMost(1.1),
        |run| waits(run, POSTGRES_FULL),
    ),
    target(
        "the same on SQLite",
        "≤ 1.1 of what it is if every refresh is sent alone",
        Limit::AtMost(1.1),
        |run| waits(run, SQLITE_FULL),
    ),
    target(
        "verify HS256, never seen",
        "≥ 3.1 times as fast as jsonwebtoken",
        Limit::AtLeast(3.1),
        |run| of_other(run, "verify HS256", "jsonwebtoken").map(|ratio| 1.0 / ratio),
    ),
    Target {
        digits: 1,
        unit: " %",
        ..target(
            "request on axum, layer included",
            "≥ 96 % of the bare server's requests",
            Limit::AtLeast(96.0),
            |run| Some(server(run, "axum-hallpass")?.throughput.median * 100.0),
        )
    },
    target(
        "refresh on memory, HS256",
        "≤ 2.1 times the bare cryptography",
        Limit::AtMost(2.1),
        |run| of_other(run, "refresh on memory, HS256", "bare aws-lc"),
    ),
    target(
        "revocation check, 100 thousand ended",
        "≤ 0.6 of std's HashSet",
        Limit::AtMost(0.6),
        |run| of_other(run, "revocation check, 100 thousand ended", "std HashSet"),
    ),
    Target {
        digits: 0,
        unit: " bytes",
        ..target(
            "web client, as a user's bundler gives it",
            "≤ 4,096 bytes",
            Limit::AtMost(4096.0),
            |run| run.client.map(|client| bytes(client.bytes)),
        )
    },
];

/// A table in Markdown.
pub fn table(run: &Run) -> String {
    let mut text = String::from("| operation | target | measured | |\n|---|---|--:|---|\n");
    for target in TARGETS {
        let measured = (target.measured)(run).filter(|value| value.is_finite());
        let kept = measured.map_or("not measured", |value| met(target.limit.allows(value)));
        let measured = measured.map_or_else(String::new, |value| target.show(value));
        let Target {
            operation, words, ..
        } = target;
        let _ = writeln!(text, "| {operation} | {words} | {measured} | {kept} |");
    }
    text
}

impl Limit {
    fn allows(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }
}

impl Target {
    fn show(&self, value: f64) -> String {
        let digits = self.digits;
        if digits == 0 {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a count of bytes"
            )]
            let count = value.max(0.0) as u64;
            return format!("{}{}", whole(count), self.unit);
        }
        format!("{value:.digits$}{}", self.unit)
    }
}

fn bytes(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

fn server<'a>(run: &'a Run, name: &str) -> Option<&'a Server> {
    run.requests.iter().find(|server| server.name == name)
}

/// CPU beyond the bare server with many sessions, as a part of another's. It says nothing if the other seems to take
/// less than the bare server: then a machine that was busy is what was measured.
fn beyond(run: &Run, own: &str, other: &str) -> Option<f64> {
    let of = |name| Some(server(run, name)?.steady?.beyond.median);
    of(other)
        .filter(|other| *other > 0.0)
        .and_then(|other| Some(of(own)? / other))
}

/// CPU of the store's server with many sessions, as a part of what another causes.
fn on_store(run: &Run, own: &str, other: &str) -> Option<f64> {
    let of = |name| {
        let Steady { store, .. } = server(run, name)?.steady?;
        Some(store?.median)
    };
    Some(of(own)? / of(other)?)
}

/// The time of an operation as a part of another's.
fn of_other(run: &Run, operation: &str, other: &str) -> Option<f64> {
    let mut all = run.core.iter();
    let measured = all.find(|measured| measured.name == operation)?;
    let mut ways = measured.ways.iter();
    let Line { of_ours, .. } = ways.find(|line| line.who == other)?;
    Some(1.0 / of_ours.median)
}

fn store<'a>(run: &'a Run, name: &str) -> Option<&'a stores::Measured> {
    run.stores.iter().find(|store| store.name == name)
}

/// How many times the best of some limits our many callers do: those whose names begin with `limit`. The
/// size at which that is least counts.
fn of_best(run: &Run, name: &str, limit: &str) -> Option<f64> {
    let lines = &store(run, name)?.lines;
    let ours = lines.iter().filter(|line| line.who.ends_with(MANY));
    let ratios = ours.filter_map(|own| {
        let beside = lines.iter().filter(|line| line.sessions == own.sessions);
        let limits = beside.filter(|line| line.who.starts_with(limit));
        let best = limits.map(|line| line.per_second.median).reduce(f64::max)?;
        Some(own.per_second.median / best)
    });
    ratios.reduce(f64::min)
}

/// The 99th percentile with shared transactions, as a part of that without, which varies by a tenth.
fn waits(run: &Run, name: &str) -> Option<f64> {
    Some(store(run, name)?.sharing?.ratio.median)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::middle::Middle;
    use crate::run::Client;

    fn line(who: &str, sessions: u32, per_second: f64) -> stores::Line {
        let per_second = Middle::of(vec![per_second]);
        let of_limit = per_second;
        let who = who.to_owned();
        stores::Line {
            who,
            sessions,
            per_second,
            of_limit,
        }
    }

    #[test]
    fn the_best_number_of_clients_is_what_counts() {
        let lines = vec![
            line("hallpass, HS256, 64 callers", 10, 100.0),
            line("pgbench", 10, 20.0),
            line("pgbench, 64 clients", 10, 40.0),
            line("hallpass, HS256, 64 callers", 20, 90.0),
            line("pgbench", 20, 30.0),
        ];
        let mut run = Run::default();
        run.stores.push(stores::Measured {
            name: POSTGRES_FULL.to_owned(),
            lines,
            promises: Vec::new(),
            notes: Vec::new(),
            sharing: None,
        });
        assert!((of_best(&run, POSTGRES_FULL, "pgbench").unwrap() - 2.5).abs() < 1e-9);
    }

    #[test]
    fn a_server_that_seems_to_take_less_than_the_bare_one_is_no_measure() {
        let server = |name: &str, beyond: f64| {
            let (nothing, beyond) = (Middle::of(vec![0.0]), Middle::of(vec![beyond]));
            Server {
                name: name.to_owned(),
                bare: false,
                cpu: nothing,
                beyond: nothing,
                store: None,
                per_second: nothing,
                throughput: nothing,
                same_rate: None,
                half_rate: None,
                unchecked: None,
                steady: Some(Steady {
                    cpu: nothing,
                    beyond,
                    store: None,
                }),
            }
        };
        let requests = vec![
            server("own", 2.0),
            server("busy", -1.0),
            server("peer", 4.0),
        ];
        let run = Run {
            requests,
            ..Run::default()
        };
        assert_eq!(beyond(&run, "own", "busy"), None);
        assert_eq!(beyond(&run, "own", "peer"), Some(0.5));
    }

    #[test]
    fn what_was_not_measured_is_neither_met_nor_missed() {
        let run = Run {
            client: Some(Client { bytes: 4181 }),
            ..Run::default()
        };
        let table = table(&run);
        assert!(
            table.contains("| ≤ 4,096 bytes | 4,181 bytes | **missed** |"),
            "{table}"
        );
        assert_eq!(table.matches("not measured").count(), TARGETS.len() - 1);
    }
}
