//! Whole servers under load: what a check costs a request.
//!
//! The server has one processor; the load has another, which it shares with Redis if the server uses it.
//! Requests a second drift with the machine; the time that the kernel says the server ran, through
//! the requests that it answered, does not.

mod http;
pub mod paced;
mod process;
mod wrk;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use figures::middle::Middle;
use figures::servers::{Beside, Latency, RATE, Server};

use self::process::{Running, cpu_time, pin, pinned};

/// A server that is put under load.
struct Kind {
    name: &'static str,
    /// The one that it is compared with.
    bare: &'static str,
    /// The same server with the check removed, if that is measured.
    unchecked: Option<&'static str>,
    program: Program,
    /// Whether it uses Redis, whose CPU time is then measured too.
    redis: bool,
    /// Whether it uses an SQLite file.
    sqlite: bool,
}

/// Where a server comes from.
#[derive(Clone, Copy)]
enum Program {
    /// `src/bin/server.rs`, which is told how a caller is known.
    Own,
    /// A program of `crates/bench/peers`.
    Peer(&'static str),
    /// A file of `crates/bench/peers/node`, and how a caller is known.
    Node(&'static str, &'static str),
}

const fn kind(name: &'static str, bare: &'static str, program: Program) -> Kind {
    Kind {
        name,
        bare,
        unchecked: None,
        program,
        redis: false,
        sqlite: false,
    }
}

const fn beside(mut kind: Kind, unchecked: &'static str) -> Kind {
    kind.unchecked = Some(unchecked);
    kind
}

const fn with_redis(mut kind: Kind) -> Kind {
    kind.redis = true;
    kind
}

const fn with_sqlite(mut kind: Kind) -> Kind {
    kind.sqlite = true;
    kind
}

/// Those that others are compared with stand before them.
const KINDS: &[Kind] = &[
    kind("axum-bare", "axum-bare", Program::Own),
    kind("axum-hallpass-unchecked", "axum-bare", Program::Own),
    beside(
        kind("axum-hallpass", "axum-bare", Program::Own),
        "axum-hallpass-unchecked",
    ),
    kind("axum-hallpass-uncached", "axum-bare", Program::Own),
    kind("axum-session", "axum-bare", Program::Own),
    kind("axum-session-remembered", "axum-bare", Program::Own),
    with_redis(kind("axum-session-redis", "axum-bare", Program::Own)),
    with_redis(kind(
        "axum-session-redis-remembered",
        "axum-bare",
        Program::Own,
    )),
    with_sqlite(kind("axum-session-sqlite", "axum-bare", Program::Own)),
    with_sqlite(kind(
        "axum-session-sqlite-remembered",
        "axum-bare",
        Program::Own,
    )),
    kind("axum-jsonwebtoken", "axum-bare", Program::Own),
    kind(
        "axum, tower-sessions on memory",
        "axum-bare",
        Program::Peer("axum-tower-sessions"),
    ),
    with_redis(kind(
        "axum, tower-sessions on Redis",
        "axum-bare",
        Program::Peer("axum-tower-sessions-redis"),
    )),
    with_sqlite(kind(
        "axum, tower-sessions on SQLite",
        "axum-bare",
        Program::Peer("axum-tower-sessions-sqlite"),
    )),
    kind(
        "axum, axum-login on memory",
        "axum-bare",
        Program::Peer("axum-axum-login"),
    ),
    kind("actix-bare", "actix-bare", Program::Own),
    kind("actix-hallpass-unchecked", "actix-bare", Program::Own),
    beside(
        kind("actix-hallpass", "actix-bare", Program::Own),
        "actix-hallpass-unchecked",
    ),
    with_redis(kind(
        "actix-web, actix-session on Redis",
        "actix-bare",
        Program::Peer("actix-actix-session"),
    )),
    kind(
        "fastify, bare",
        "fastify, bare",
        Program::Node("fastify.js", "bare"),
    ),
    kind(
        "fastify, fast-jwt with its cache",
        "fastify, bare",
        Program::Node("fastify.js", "fast-jwt"),
    ),
    kind(
        "express, bare",
        "express, bare",
        Program::Node("express.js", "bare"),
    ),
    with_redis(kind(
        "express, express-session on Redis",
        "express, bare",
        Program::Node("express.js", "session"),
    )),
];

/// No rate is above this part of a server's maximum: if it were, latency would measure the queue.
const BELOW_SATURATION: f64 = 0.8;

/// What the measurement needs that is not this program.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "places of programs")]
pub struct Tools {
    /// `src/bin/server.rs`, built.
    pub server: PathBuf,
    /// The program wrk.
    pub wrk: PathBuf,
    /// The folder with the programs of `crates/bench/peers`; without it they are left out.
    pub peers: Option<PathBuf>,
    /// `crates/bench/peers/node`, installed; without it the servers on Node.js are left out.
    pub node: Option<PathBuf>,
    /// The URL and the process of a Redis; without it, those that need it are left out.
    pub redis: Option<(String, u32)>,
}

/// One round of one server.
struct Round {
    cpu: f64,
    redis: f64,
    per_second: f64,
    same_rate: Option<f64>,
    half_rate: Option<f64>,
}

/// Puts every server whose name begins so under load, in turn, so many times; the bare ones that
/// they are compared with as well.
///
/// # Errors
/// A text, if a server or wrk fails.
pub fn measure(tools: &Tools, only: &str, rounds: usize) -> Result<Vec<Server>, String> {
    let chosen = KINDS.iter().filter(|kind| kind.name.starts_with(only));
    let bares: Vec<_> = chosen.map(|kind| kind.bare).collect();
    let chosen = KINDS
        .iter()
        .filter(|kind| kind.name.starts_with(only) || bares.contains(&kind.name));
    let kinds: Vec<&Kind> = chosen.filter(|kind| tools.have(kind)).collect();
    if let Some((_, process)) = tools.redis {
        pin("1", process)?;
    }
    let mut all: Vec<Vec<Round>> = kinds.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (place, kind) in kinds.iter().enumerate() {
            let bare = place_of(&kinds, kind.bare).and_then(|place| all.get(place)?.last());
            let most = bare
                .filter(|_| kind.name != kind.bare)
                .map(|bare| bare.per_second);
            let round = tools.round(kind, most);
            let round = round.map_err(|error| format!("{}: {error}", kind.name))?;
            if let Some(results) = all.get_mut(place) {
                results.push(round);
            }
        }
    }
    let of = |name| all.get(place_of(&kinds, name)?);
    let described = kinds.iter().zip(&all).filter_map(|(kind, own)| {
        let unchecked = kind.unchecked.and_then(of);
        Some(describe(
            kind,
            own,
            of(kind.bare)?,
            unchecked.map(Vec::as_slice),
        ))
    });
    Ok(described.collect())
}

fn place_of(kinds: &[&Kind], name: &str) -> Option<usize> {
    kinds.iter().position(|kind| kind.name == name)
}

fn describe(kind: &Kind, own: &[Round], bare: &[Round], unchecked: Option<&[Round]>) -> Server {
    let middle = |value: &dyn Fn(&Round) -> f64| Middle::of(own.iter().map(value).collect());
    let Beside {
        beyond,
        throughput,
        same_rate,
        half_rate,
    } = compare(own, bare);
    let latency = |of: &dyn Fn(&Round) -> Option<f64>, of_bare: Option<Middle>| {
        let p99 = own.iter().map(of).collect::<Option<Vec<f64>>>()?;
        Some(Latency {
            p99: Middle::of(p99),
            of_bare: of_bare?,
        })
    };
    Server {
        name: kind.name.to_owned(),
        bare: kind.name == kind.bare,
        cpu: middle(&|own| own.cpu),
        beyond,
        store: kind.redis.then(|| middle(&|own| own.redis)),
        per_second: middle(&|own| own.per_second),
        throughput,
        same_rate: latency(&|round| round.same_rate, same_rate),
        half_rate: latency(&|round| round.half_rate, half_rate),
        unchecked: unchecked.map(|unchecked| compare(own, unchecked)),
        steady: None,
    }
}

fn compare(own: &[Round], other: &[Round]) -> Beside {
    let pairs = || own.iter().zip(other);
    let middle = |value: &dyn Fn(&Round, &Round) -> f64| {
        Middle::of(pairs().map(|(own, other)| value(own, other)).collect())
    };
    let latency = |of: &dyn Fn(&Round) -> Option<f64>| {
        // Where one round was too near to saturation, none is told.
        let ratios = pairs().map(|(own, other)| Some(of(own)? / of(other)?));
        ratios.collect::<Option<_>>().map(Middle::of)
    };
    Beside {
        beyond: middle(&|own, other| own.cpu - other.cpu),
        throughput: middle(&|own, other| own.per_second / other.per_second),
        same_rate: latency(&|round| round.same_rate),
        half_rate: latency(&|round| round.half_rate),
    }
}

impl Tools {
    fn have(&self, kind: &Kind) -> bool {
        let program = match kind.program {
            Program::Own => true,
            Program::Peer(_) => self.peers.is_some(),
            Program::Node(..) => self.node.is_some(),
        };
        program && (!kind.redis || self.redis.is_some())
    }

    fn command(&self, kind: &Kind) -> Command {
        let mut command = match (kind.program, &self.peers, &self.node) {
            (Program::Peer(name), Some(folder), _) => pinned("0", &folder.join(name)),
            (Program::Node(file, mode), _, Some(folder)) => {
                let mut node = pinned("0", Path::new("node"));
                node.arg(folder.join(file)).arg(mode);
                node.env("NODE_ENV", "production");
                node
            }
            _ => {
                let mut own = pinned("0", &self.server);
                own.arg(kind.name);
                own
            }
        };
        if let (true, Some((url, _))) = (kind.redis, &self.redis) {
            command.arg(url);
        }
        command
    }

    /// `most` is what the bare server did at most, unless this is one.
    fn round(&self, kind: &Kind, most: Option<f64>) -> Result<Round, String> {
        let folder = Scratch::new().map_err(|error| error.to_string())?;
        let mut command = self.command(kind);
        if kind.sqlite {
            let file = folder.0.join("sessions.db");
            command.arg(format!("sqlite://{}?mode=rwc", file.display()));
        }
        let child = command.stdout(Stdio::piped()).spawn();
        let mut running = Running(child.map_err(|error| error.to_string())?);
        let output = running.0.stdout.take().ok_or("it has no output")?;
        let mut lines = BufReader::new(output).lines();
        let mut line = || lines.next().and_then(Result::ok).ok_or("it says nothing");
        let (url, mut header) = (line()?, line()?);
        if header == "login" {
            header = http::login(&url)?;
        }
        let process = running.0.id();
        let redis = || match &self.redis {
            Some((_, process)) if kind.redis => cpu_time(*process),
            _ => Ok(0.0),
        };
        // So that everything is there that is made once, and compiled what Node.js compiles.
        wrk::load(&self.wrk, &url, &header)?;
        let before = (cpu_time(process)?, redis()?);
        let saturated = wrk::load(&self.wrk, &url, &header)?;
        let used = (cpu_time(process)? - before.0, redis()? - before.1);
        let p99 = |rate: f64, time: &str| {
            let below = rate <= saturated.per_second * BELOW_SATURATION;
            let measured = below.then(|| paced(&url, &header, rate, time));
            measured.transpose()
        };
        Ok(Round {
            cpu: used.0 * 1e6 / saturated.requests,
            redis: used.1 * 1e6 / saturated.requests,
            per_second: saturated.per_second,
            same_rate: p99(RATE, "800")?,
            half_rate: p99(most.unwrap_or(saturated.per_second) / 2.0, "500")?,
        })
    }
}

/// A folder for one round of one server.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> std::io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("hallpass-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // If this fails, it is left to the system.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs this program again, on the processor of the load.
fn paced(url: &str, header: &str, rate: f64, milliseconds: &str) -> Result<f64, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = pinned("1", &own);
    command.args(["paced", url, header, &rate.to_string(), milliseconds]);
    let output = command.output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.trim().parse().map_err(|_| text)
}
