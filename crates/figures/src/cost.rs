//! What a request costs with each library: one chart and one table, for those who decide.

use std::fmt::Write as _;

use crate::chart::{self, Bar};
use crate::run::Run;

/// The library as it is called here, and the server that has it.
const LIBRARIES: [(&str, &str); 14] = [
    ("hallpass, access token", "axum-hallpass"),
    ("hallpass, session in memory", "axum-session"),
    (
        "hallpass, session on Redis, remembered",
        "axum-session-redis-remembered",
    ),
    (
        "hallpass, session on SQLite, remembered",
        "axum-session-sqlite-remembered",
    ),
    ("hallpass, session on Redis", "axum-session-redis"),
    ("jsonwebtoken, by hand", "axum-jsonwebtoken"),
    (
        "tower-sessions, in memory",
        "axum, tower-sessions on memory",
    ),
    (
        "tower-sessions-redis-store",
        "axum, tower-sessions on Redis",
    ),
    (
        "tower-sessions-sqlx-store, on SQLite",
        "axum, tower-sessions on SQLite",
    ),
    ("axum-login, in memory", "axum, axum-login on memory"),
    (
        "actix-session, on Redis",
        "actix-web, actix-session on Redis",
    ),
    (
        "fast-jwt with its cache (fastify)",
        "fastify, fast-jwt with its cache",
    ),
    (
        "express-session, on Redis",
        "express, express-session on Redis",
    ),
    ("hallpass on actix-web, access token", "actix-hallpass"),
];

fn bars(run: &Run) -> Vec<Bar> {
    let bar = |(name, server): &(&str, &str)| {
        let server = run.requests.iter().find(|own| own.name == *server)?;
        Some(Bar {
            name: (*name).to_owned(),
            ours: name.starts_with("hallpass"),
            first: server.beyond.median.max(0.0),
            second: server.store.map_or(0.0, |store| store.median),
        })
    };
    let mut bars: Vec<Bar> = LIBRARIES.iter().filter_map(bar).collect();
    bars.sort_by(|a, b| (a.first + a.second).total_cmp(&(b.first + b.second)));
    bars
}

/// The chart of what was measured.
pub fn chart(run: &Run) -> String {
    let title =
        "Seconds of one processor for a million requests, beyond the same server without it";
    chart::stacked(title, ["the server", "Redis"], &bars(run))
}

/// The table of the same figures, in Markdown.
pub fn table(run: &Run) -> String {
    let mut text =
        String::from("| library | the server, s | Redis, s | together, s |\n|---|--:|--:|--:|\n");
    for Bar {
        name,
        first,
        second,
        ..
    } in bars(run)
    {
        let _ = writeln!(
            text,
            "| {name} | {first:.1} | {second:.1} | {:.1} |",
            first + second
        );
    }
    text
}
