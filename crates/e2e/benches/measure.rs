//! Figures for the operations page, of servers built in release: run by `cargo xtask measure`.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measurement: it prints, in rounded numbers, and fails loudly"
)]

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use e2e::client::Client;
use e2e::reply::Tokens;
use e2e::server::{Files, Server};

const PROGRAMS: [&str; 2] = ["demo-axum", "demo-actix"];
const SESSIONS: usize = 1000;
const CLIENTS: usize = 8;
/// How often each session is refreshed.
const LAPS: usize = 8;
/// The usual refresh comes long after the one before, and is one write. Without a grace the next one
/// is that, too.
const FLAGS: [&str; 4] = ["--grace", "0s", "--tolerance", "0s"];

fn main() {
    println!("{SESSIONS} sessions, {CLIENTS} clients, one server on axum and one on actix-web");
    let redis = testbed::redis::Server::start(&[]);
    measure_on("Redis", &redis.url(), SESSIONS);
    let postgres = testbed::postgres::Server::start();
    measure_on("PostgreSQL", &postgres.url(), SESSIONS);
    let files = Files::new();
    let file = files.path("sessions.db");
    // Whose file is read once a second.
    measure_on("SQLite", &format!("sqlite:{}", file.display()), 100);
}

fn measure_on(name: &str, store: &str, logouts: usize) {
    let files = Files::new();
    let flags = [&["--store", store][..], &FLAGS].concat();
    let servers = PROGRAMS.map(|program| Server::start_on(program, &files, &flags));
    let clients = [servers[0].client(), servers[1].client()].map(|client| client.unrecorded());
    let mut logins = spread(SESSIONS, |n| clients[n % 2].login("alice", "wonderland"));

    let halves = logins.chunks_mut(SESSIONS / 2);
    for (mine, (program, (server, client))) in
        halves.zip(PROGRAMS.iter().zip(servers.iter().zip(&clients)))
    {
        let (before, clock) = (cpu(server), Instant::now());
        for _ in 0..LAPS {
            let next = spread(mine.len(), |n| client.refresh(&mine[n].refresh).tokens());
            mine.clone_from_slice(&next);
        }
        let (wall, cpu) = (clock.elapsed(), cpu(server).saturating_sub(before));
        let count = (mine.len() * LAPS) as f64;
        println!(
            "{name}, {program}: {:.0} refreshes in a second of its processor time, {:.0} in one \
             by the clock",
            count / cpu.as_secs_f64(),
            count / wall.as_secs_f64(),
        );
    }

    let delays: Vec<(Duration, bool)> = logins
        .iter()
        .enumerate()
        .take(logouts)
        .map(|(n, login)| delay(&clients[n % 2], &clients[(n + 1) % 2], login))
        .collect();
    let first = delays.iter().filter(|(_, first)| *first).count();
    let mut delays: Vec<Duration> = delays.into_iter().map(|(delay, _)| delay).collect();
    delays.sort_unstable();
    let at = |percent: usize| delays[(delays.len() - 1) * percent / 100];
    println!(
        "{name}: from the answer to a logout until the other node's refusal has come, of {}, {} at the \
         first request: median {:.1?}, p99 {:.1?}, longest {:.1?}",
        delays.len(),
        first,
        at(50),
        at(99),
        at(100),
    );
}

/// From the answer to the logout on one server until the other's refusal has come, that request
/// included, and whether it was the first that was asked there.
fn delay(here: &Client, there: &Client, login: &Tokens) -> (Duration, bool) {
    assert_eq!(there.me(&login.access).status, 200);
    assert_eq!(here.logout(&login.refresh).status, 204);
    let answered = Instant::now();
    let mut first = true;
    while there.me(&login.access).status != 401 {
        first = false;
    }
    (answered.elapsed(), first)
}

/// Runs it so many times, by several clients at once; what came of each, in order.
fn spread<T: Send>(times: usize, run: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let run = &run;
    thread::scope(|scope| {
        let client = |first: usize| (first..times).step_by(CLIENTS).map(run).collect::<Vec<T>>();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|first| scope.spawn(move || client(first)))
            .collect();
        let done = clients.into_iter().map(|client| client.join().unwrap());
        let mut done: Vec<_> = done.map(Vec::into_iter).collect();
        (0..times)
            .map(|n| done[n % CLIENTS].next().unwrap())
            .collect()
    })
}

/// The processor time that a server has used, by Linux's count in hundredths of a second.
fn cpu(server: &Server) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{}/stat", server.id())).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let fields: Vec<&str> = fields.split(' ').collect();
    let ticks: u64 = [11, 12]
        .map(|field| fields[field].parse::<u64>().unwrap())
        .iter()
        .sum();
    Duration::from_millis(ticks * 10)
}
