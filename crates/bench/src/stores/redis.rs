//! Redis: filled by the store itself, refreshed through the manager, and by redis-benchmark.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use figures::stores::{Measured, Promise};
use redis::{Script, Value};
use store_redis::RedisStore;
use testbed::redis::Server;
use token_core::{Algorithm, UnixTime};
use token_session::SessionStore as _;
use token_session::clock::Clock as _;
use token_session::store::Created;
use token_session::test_util::TestClock;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::clients::{self, Clients};
use super::contest::{self, Way};
use super::{CLIENTS, Effort, MANY, fixture};

/// How ours is called in tables with many callers at once.
const MANY_CALLERS: &str = "hallpass, EdDSA, 64 callers";
/// How the limit is called in tables.
const BARE: &str = "redis-benchmark";
/// The part of the limit that ours has to reach.
const LEAST: f64 = 0.7;
const GROWTH: f64 = 1.2;
/// The limit with as many clients as ours has callers, and the part of it that ours has to reach.
const BARE_MANY: &str = "redis-benchmark, 64 clients";
const LEAST_MANY: f64 = 0.95;
/// The bytes of `used_memory` that each of a million sessions may take.
const BYTES: u64 = 433;
/// The script of a rotation, put together from the same parts as the store's.
const ROTATE: &str = concat!(
    include_str!("../../../store-redis/src/lua/row.lua"),
    include_str!("../../../store-redis/src/lua/surplus.lua"),
    include_str!("../../../store-redis/src/lua/commit.lua"),
    include_str!("../../../store-redis/src/lua/rotate.lua"),
);
/// How many commands go into one pipeline, and how many sessions are inserted at once.
const TOGETHER: u32 = 1000;

/// Measures refreshes, and the memory of a session. The server runs on the first processor, and
/// everything else on the second if this process was started on that one alone.
///
/// # Panics
/// If a server, a refresh or redis-benchmark fails.
pub fn measure(runtime: &Runtime, effort: &Effort) -> Measured {
    let sizes = effort.sessions.iter();
    let sizes: Vec<Size> = sizes
        .map(|sessions| Size::fill(runtime, *sessions))
        .collect();
    let time = Duration::from_secs(effort.seconds.into());
    let mut ways = Vec::new();
    for size in &sizes {
        for (who, algorithm, callers) in [
            ("hallpass, HS256", Algorithm::HS256, CLIENTS),
            ("hallpass, EdDSA", Algorithm::EdDSA, CLIENTS),
            (MANY_CALLERS, Algorithm::EdDSA, MANY),
        ] {
            let store = Arc::clone(&size.store);
            let manager = clients::manager(store, fixture::issuer(algorithm), &size.clock);
            let manager = manager.build().expect("the settings are in range");
            let run = Box::new(move || {
                runtime.block_on(size.clients.refresh_for(&manager, callers, time))
            });
            let sessions = size.sessions;
            ways.push(Way { who, sessions, run });
        }
        for (who, clients) in [(BARE, CLIENTS), (BARE_MANY, MANY)] {
            let (mut last, seconds) = (50_000.0, f64::from(effort.seconds));
            ways.push(Way {
                who,
                sessions: size.sessions,
                run: Box::new(move || {
                    // It takes a number of requests, not a time.
                    last = size.redis_benchmark(clients, last * seconds);
                    last
                }),
            });
        }
    }
    let results = contest::run(effort.rounds, ways);
    let mut promises = results.at_least("hallpass, HS256", BARE, LEAST);
    promises.extend(results.grows_at_most("hallpass, HS256", BARE, GROWTH));
    promises.extend(results.at_least(MANY_CALLERS, BARE_MANY, LEAST_MANY));
    promises.extend(sizes.last().map(Size::room));
    let lines = results.lines(BARE);
    Measured {
        name: "Redis".to_owned(),
        lines,
        promises,
        notes: Vec::new(),
        sharing: None,
    }
}

/// A server with this many sessions of the store, and as many for redis-benchmark.
struct Size {
    sessions: u32,
    server: Server,
    clock: TestClock,
    store: Arc<RedisStore>,
    clients: Arc<Clients>,
    /// How many bytes each session takes.
    bytes: u64,
}

impl Size {
    fn fill(runtime: &Runtime, sessions: u32) -> Self {
        let server = Server::start(&["--appendonly", "no"]);
        let pinned = Command::new("taskset")
            .args([
                "--all-tasks",
                "--cpu-list",
                "--pid",
                "0",
                &server.id().to_string(),
            ])
            .output();
        assert!(
            pinned.is_ok_and(|output| output.status.success()),
            "taskset"
        );
        let clock = clients::clock();
        let size = runtime.block_on(async {
            let store = RedisStore::connect(&server.url()).await;
            let store = Arc::new(store.expect("the server answers"));
            let empty = server.info("used_memory");
            let clients = Clients::new(insert(&store, sessions, clock.now()).await, clock.clone());
            let bytes = (server.info("used_memory") - empty) / u64::from(sessions);
            Self {
                sessions,
                server,
                clock,
                store,
                clients,
                bytes,
            }
        });
        size.insert_bare();
        size
    }

    /// Copies one row of the store to keys that redis-benchmark can generate, with ids that end with
    /// twelve digits.
    fn insert_bare(&self) {
        let mut connection = self.server.connection().expect("the server answers");
        let rows: Vec<Vec<u8>> = self.server.ask(&["KEYS", "hallpass{0?}??????????????????"]);
        let row = rows
            .first()
            .expect("one of 16 sessions is in these buckets");
        let mut get = redis::cmd("HGETALL");
        let fields: Vec<(String, Vec<u8>)> = get.arg(row).query(&mut connection).expect("a row");
        let fields: Vec<(String, Vec<u8>)> = fields
            .into_iter()
            .map(|(name, value)| match name.as_str() {
                "1" => (name, bare_state()),
                "2" => (name, [HASH; 2].concat()),
                _ => (name, value),
            })
            .collect();
        for first in (0..self.sessions).step_by(TOGETHER as usize) {
            let mut pipeline = redis::pipe();
            for number in first..self.sessions.min(first + TOGETHER) {
                let key = [BARE_ROWS, format!("{number:012}").as_bytes()].concat();
                pipeline.hset_multiple(&key, &fields).ignore();
                pipeline.expire(&key, 90 * 24 * 3600).ignore();
            }
            let _: () = pipeline.query(&mut connection).expect("there is room");
        }
        // It does all of the work: it finds the row, writes it, and returns it.
        let mut call = redis::cmd("EVALSHA");
        let arguments = bare_arguments("000000000000");
        let answer: redis::RedisResult<Vec<Value>> = call.arg(&arguments).query(&mut connection);
        let answer = answer.expect("the store has loaded the script");
        let applied = Value::BulkString(b"applied".to_vec());
        assert_eq!(answer.first(), Some(&applied), "a rotation");
    }

    /// Runs the bare script with as many clients, about this often; returns how many a second.
    fn redis_benchmark(&self, clients: usize, times: f64) -> f64 {
        let mut benchmark = Command::new("redis-benchmark");
        benchmark
            .args([
                "-h",
                "127.0.0.1",
                "-p",
                &self.server.port.to_string(),
                "--csv",
            ])
            .args(["-c", &clients.to_string(), "-n", &format!("{times:.0}")])
            .args(["-r", &self.sessions.to_string(), "EVALSHA"])
            .args(
                bare_arguments("__rand_int__")
                    .into_iter()
                    .map(OsString::from_vec),
            );
        let output = benchmark
            .output()
            .expect("redis-benchmark stands beside the server");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // The second line: the command, which has bytes and commas of its own, then numbers.
        let numbers = text
            .lines()
            .last()
            .and_then(|line| line.rsplit_once("\",\""));
        let numbers = numbers.map(|_| text.trim_end().rsplit(',').collect::<Vec<_>>());
        let per_second = numbers.and_then(|numbers| numbers.get(6)?.trim_matches('"').parse().ok());
        per_second.unwrap_or_else(|| unreachable!("redis-benchmark: {text}"))
    }

    fn room(&self) -> Promise {
        Promise {
            words: format!(
                "≤ {BYTES} bytes of used_memory each, of {} sessions",
                figures::number::number(f64::from(self.sessions))
            ),
            outcome: format!("{} bytes", self.bytes),
            met: self.bytes <= BYTES,
        }
    }
}

/// Inserts sessions through the store, many at once on one connection.
pub(crate) async fn insert(store: &Arc<RedisStore>, sessions: u32, now: UnixTime) -> Vec<String> {
    let issuer = Arc::new(fixture::issuer(Algorithm::HS256));
    let mut tokens = Vec::new();
    for first in (0..sessions).step_by(TOGETHER as usize) {
        let mut inserted = JoinSet::new();
        for number in first..sessions.min(first + TOGETHER) {
            let (store, issuer) = (Arc::clone(store), Arc::clone(&issuer));
            inserted.spawn(async move {
                let bucket = |subject: &_| store.bucket(subject);
                let (session, token) = fixture::session(&issuer, number, now, bucket);
                let created = store.create(&session, None).await;
                assert!(matches!(created, Ok(Created::Applied(_))), "{created:?}");
                token
            });
        }
        tokens.extend(inserted.join_all().await);
    }
    tokens
}

/// How the keys of redis-benchmark's rows begin: the prefix, a bucket, and six bytes of the id.
const BARE_ROWS: &[u8] = b"bare:{01}\x01-----";
/// Numbers without a zero byte, which no argument of a program can have.
const GENERATION: [u8; 8] = [1; 8];
const HASH: [u8; 32] = [7; 32];
const LATER: [u8; 5] = [1; 5];
const LATEST: [u8; 5] = [2; 5];

/// The state of a row of redis-benchmark's, in the layout of `store-redis`: layout and transport,
/// generation, instants, nonce.
fn bare_state() -> Vec<u8> {
    let instants = [LATER, LATEST, LATEST, LATEST, LATER];
    [&[1, 1][..], &GENERATION, &instants.concat(), &[9; 16]].concat()
}

/// The digest, the keys and the arguments of a rotation, as the store sends them. A row keeps its
/// generation and its hash, so that the next one finds them.
fn bare_arguments(number: &str) -> Vec<Vec<u8>> {
    // An instant after the rotation and before the deadlines, as both are in the row.
    let now = u64::from_be_bytes([0, 0, 0, 1, 1, 1, 1, 2]).to_string();
    let key = |kind: &[u8]| [kind, number.as_bytes()].concat();
    vec![
        Script::new(ROTATE).get_hash().as_bytes().to_vec(),
        b"3".to_vec(),
        key(BARE_ROWS),
        b"bare:{01}e".to_vec(),
        key(b"bare:{01}d\x01-----"),
        now.clone().into_bytes(),
        GENERATION.to_vec(),
        HASH.to_vec(),
        now.into_bytes(),
        [LATEST, LATEST].concat(),
        [LATEST, LATEST].concat(),
        b"0".to_vec(),
        [&GENERATION[..], &LATER].concat(),
        [&LATER[..], &[9; 16]].concat(),
        // What proves no key: a byte, which is 0 if it is ours.
        b"0".to_vec(),
        b"2".to_vec(),
        [HASH; 2].concat(),
        b"3".to_vec(),
        b"refresh".to_vec(),
    ]
}
