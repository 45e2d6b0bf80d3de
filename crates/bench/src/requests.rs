//! Whole servers under load: what a check costs a request.
//!
//! The server has one processor; the load has another, which it shares with Redis or PostgreSQL if the server
//! uses it.
//! Requests a second drift with the machine; the time that the kernel says the server ran, through
//! the requests that it answered, does not.

mod http;
mod kinds;
pub mod paced;
pub(crate) mod process;
mod wrk;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use figures::middle::Middle;
use figures::servers::{Beside, Latency, RATE, Server, Steady};

use self::kinds::{KINDS, Kind, Program, Store};
use self::process::{Running, cpu_time, pin, pinned};

/// No rate is above this part of a server's maximum: if it were, latency would measure the queue.
const BELOW_SATURATION: f64 = 0.8;

/// With many sessions: how many there are, how many ask in a second, so that each asks every five, for how long,
/// and how many of the rounds have it.
const SESSIONS: u32 = 10_000;
const STEADY_RATE: f64 = 2000.0;
const STEADY_SECONDS: u32 = 4;
const STEADY_ROUNDS: usize = 3;

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
    /// The same of a PostgreSQL.
    pub postgres: Option<(String, u32)>,
}

/// One round of one server.
struct Round {
    cpu: f64,
    store: f64,
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
    for (_, process) in [&tools.redis, &tools.postgres].into_iter().flatten() {
        pin("1", *process)?;
    }
    // What a server did is given up if it fails once: the others are measured all the same.
    let mut all: Vec<Option<Vec<Round>>> = kinds.iter().map(|_| Some(Vec::new())).collect();
    let mut steady: Vec<Option<Vec<(f64, f64)>>> = kinds.iter().map(|_| Some(Vec::new())).collect();
    for round in 0..rounds {
        for (kind, results) in kinds.iter().zip(&mut steady) {
            if round < STEADY_ROUNDS && kind.is_asked_steadily() {
                keep(results, kind, || tools.steady(kind));
            }
        }
        for (place, kind) in kinds.iter().enumerate() {
            let bare =
                place_of(&kinds, kind.bare).and_then(|place| all.get(place)?.as_ref()?.last());
            let most = bare
                .filter(|_| kind.name != kind.bare)
                .map(|bare| bare.per_second);
            if let Some(results) = all.get_mut(place) {
                keep(results, kind, || tools.round(kind, most));
            }
        }
    }
    let of = |name| all.get(place_of(&kinds, name)?)?.as_deref();
    let described = kinds.iter().zip(&all).zip(&steady);
    let described = described.filter_map(|((kind, own), steadily)| {
        let unchecked = kind.unchecked.and_then(of);
        let bare = place_of(&kinds, kind.bare).and_then(|place| steady.get(place)?.as_deref());
        let mut server = describe(kind, own.as_deref()?, of(kind.bare)?, unchecked);
        let steadily = steadily.as_deref().zip(bare);
        server.steady = steadily.and_then(|(own, bare)| describe_steady(kind, own, bare));
        Some(server)
    });
    Ok(described.collect())
}

/// Measures once more, unless the server has failed before.
#[expect(clippy::print_stdout, reason = "what is missing later, and why")]
fn keep<T>(results: &mut Option<Vec<T>>, kind: &Kind, measure: impl FnOnce() -> Result<T, String>) {
    let Some(so_far) = results else {
        return;
    };
    match measure() {
        Ok(measured) => so_far.push(measured),
        Err(error) => {
            println!("not measured: {}: {error}", kind.name);
            *results = None;
        }
    }
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
        store: kind.has_server().then(|| middle(&|own| own.store)),
        per_second: middle(&|own| own.per_second),
        throughput,
        same_rate: latency(&|round| round.same_rate, same_rate),
        half_rate: latency(&|round| round.half_rate, half_rate),
        unchecked: unchecked.map(|unchecked| compare(own, unchecked)),
        steady: None,
    }
}

/// Pairs of the CPU of a server and of that of its store, for a request.
fn describe_steady(kind: &Kind, own: &[(f64, f64)], bare: &[(f64, f64)]) -> Option<Steady> {
    if own.is_empty() {
        return None;
    }
    let beyond = own.iter().zip(bare).map(|(own, bare)| own.0 - bare.0);
    let store = own.iter().map(|own| own.1).collect();
    Some(Steady {
        cpu: Middle::of(own.iter().map(|own| own.0).collect()),
        beyond: Middle::of(beyond.collect()),
        store: kind.has_server().then(|| Middle::of(store)),
    })
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
        program && (!kind.has_server() || self.store(kind).is_some())
    }

    /// The URL and the process of the server that has its sessions.
    fn store(&self, kind: &Kind) -> Option<&(String, u32)> {
        match kind.store {
            Store::Redis => self.redis.as_ref(),
            Store::Postgres => self.postgres.as_ref(),
            Store::None | Store::Sqlite => None,
        }
    }

    fn command(&self, kind: &Kind, folder: &Scratch) -> Command {
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
        if let Some((url, _)) = self.store(kind) {
            command.arg(url);
        }
        if kind.store == Store::Sqlite {
            let file = folder.0.join("sessions.db");
            command.arg(format!("sqlite://{}?mode=rwc", file.display()));
        }
        command.stdout(Stdio::piped());
        command
    }

    /// Microseconds of CPU a request of a server and of its store, with many sessions that each ask now and then.
    fn steady(&self, kind: &Kind) -> Result<(f64, f64), String> {
        let folder = Scratch::new().map_err(|error| error.to_string())?;
        let mut command = self.command(kind, &folder);
        let headers = folder.0.join("headers");
        if matches!(kind.program, Program::Own) {
            command.arg("--sessions").arg(SESSIONS.to_string());
            command.arg("--headers").arg(&headers);
        }
        let (running, url, header) = start(command)?;
        if header == "login" {
            let cookies = http::logins(&url, SESSIONS)?;
            std::fs::write(&headers, cookies.join("\n")).map_err(|error| error.to_string())?;
        } else if !headers.exists() {
            std::fs::write(&headers, header).map_err(|error| error.to_string())?;
        }
        let process = running.0.id();
        let used = || {
            let store = self
                .store(kind)
                .map_or(Ok(0.0), |(_, process)| cpu_time(*process));
            Ok::<_, String>((cpu_time(process)?, store?))
        };
        let file = format!("@{}", headers.display());
        // So that each session has asked once.
        paced(&url, &file, f64::from(SESSIONS), "1000")?;
        let before = used()?;
        paced(
            &url,
            &file,
            STEADY_RATE,
            &(STEADY_SECONDS * 1000).to_string(),
        )?;
        let after = used()?;
        let micro = 1e6 / (STEADY_RATE * f64::from(STEADY_SECONDS));
        Ok(((after.0 - before.0) * micro, (after.1 - before.1) * micro))
    }

    /// `most` is what the bare server did at most, unless this is one.
    fn round(&self, kind: &Kind, most: Option<f64>) -> Result<Round, String> {
        let folder = Scratch::new().map_err(|error| error.to_string())?;
        let (running, url, mut header) = start(self.command(kind, &folder))?;
        if header == "login" {
            header = http::login(&url)?;
        }
        let process = running.0.id();
        let store = || {
            self.store(kind)
                .map_or(Ok(0.0), |(_, process)| cpu_time(*process))
        };
        // So that everything is there that is made once, and compiled what Node.js compiles.
        wrk::load(&self.wrk, &url, &header)?;
        let before = (cpu_time(process)?, store()?);
        let saturated = wrk::load(&self.wrk, &url, &header)?;
        let used = (cpu_time(process)? - before.0, store()? - before.1);
        let p99 = |rate: f64, time: &str| {
            let below = rate <= saturated.per_second * BELOW_SATURATION;
            let measured = below.then(|| paced(&url, &header, rate, time));
            measured.transpose()
        };
        Ok(Round {
            cpu: used.0 * 1e6 / saturated.requests,
            store: used.1 * 1e6 / saturated.requests,
            per_second: saturated.per_second,
            same_rate: p99(RATE, "800")?,
            half_rate: p99(most.unwrap_or(saturated.per_second) / 2.0, "500")?,
        })
    }
}

/// Starts a server, and returns it with its URL and the second line that it says.
fn start(mut command: Command) -> Result<(Running, String, String), String> {
    let child = command.spawn();
    let mut running = Running(child.map_err(|error| error.to_string())?);
    let output = running.0.stdout.take().ok_or("it has no output")?;
    let mut lines = BufReader::new(output).lines();
    let mut line = || lines.next().and_then(Result::ok).ok_or("it says nothing");
    let (url, header) = (line()?, line()?);
    Ok((running, url, header))
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
