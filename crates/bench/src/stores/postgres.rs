//! PostgreSQL: filled by `COPY`, refreshed through the manager, and by pgbench.

use std::cell::Cell;
use std::fs;
use std::process::Command;
use std::time::Duration;

use figures::stores::{Measured, Promise};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Row as _};
use store_sql::PostgresStore;
use store_sql::postgres::{Notices, PostgresStoreOptions};
use testbed::postgres::Server;
use token_core::{Algorithm, UnixTime};
use token_session::SessionStore as _;
use token_session::clock::Clock as _;
use token_session::test_util::TestClock;
use tokio::runtime::Runtime;

use super::clients::{self, Clients, Sending};
use super::columns;
use super::contest::{self, Way};
use super::{CLIENTS, Effort, MANY, fixture, purge};

/// How ours is called in tables with many callers at once.
const MANY_CALLERS: &str = "hallpass, HS256, 64 callers";
/// How the limit is called in tables.
const BARE: &str = "pgbench";
/// The part of the limit that ours has to reach.
const LEAST: f64 = 0.6;
const GROWTH: f64 = 1.2;
/// The limit with several numbers of clients, one of which is its best: 64 is as many as ours has callers.
const BARES: [(&str, usize); 3] = [
    (BARE, CLIENTS),
    ("pgbench, 64 clients", MANY),
    ("pgbench, 128 clients", 2 * MANY),
];
/// How many stores with few connections each the refreshes are spread over that are each sent alone.
const ALONE: usize = 8;
/// The length of an id in the bare rows: that many decimal digits, which a text parameter carries into
/// a `bytea` unchanged.
const FIRST_ID: u64 = 100_000_000_000_000_000;
/// The hash in every row of pgbench's.
const BARE_HASH: &str = "\\x0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// About how many bytes of a `COPY` are sent at once.
const PIECE: usize = 1 << 20;

/// Settings while refreshes are measured. There is no checkpoint, because the first write of a page after
/// one takes longer, and no vacuum, so that a round does not depend on when it runs.
const UNDISTURBED: [&str; 3] = [
    "checkpoint_timeout = '1h'",
    "max_wal_size = '30GB'",
    "autovacuum = off",
];

/// Measures refreshes, with and without waiting for the disk, then a purge.
///
/// # Panics
/// If a server, a refresh or pgbench fails.
pub fn measure(runtime: &Runtime, effort: &Effort) -> Vec<Measured> {
    let server = Server::start_with(&["fsync=on", "shared_buffers=2GB"]);
    let pool = runtime.block_on(pool(&server));
    let sizes = runtime.block_on(async {
        for setting in UNDISTURBED {
            execute(&pool, &format!("ALTER SYSTEM SET {setting}")).await;
        }
        execute(&pool, "SELECT pg_reload_conf()").await;
        let mut sizes = Vec::new();
        for sessions in &effort.sessions {
            sizes.push(Size::fill(&server, &pool, *sessions).await);
        }
        execute(&pool, "CHECKPOINT").await;
        for size in &sizes {
            size.settle(&pool).await;
        }
        sizes
    });
    let mut all = Vec::new();
    // The last is the part of pgbench, at its best number of clients, that 64 callers have to reach.
    for (setting, name, least_together) in [
        ("on", "PostgreSQL, each commit on the disk", 2.0),
        ("off", "PostgreSQL, `synchronous_commit` off", 1.5),
    ] {
        let set = format!("ALTER SYSTEM SET synchronous_commit = {setting}");
        runtime.block_on(execute(&pool, &set));
        runtime.block_on(execute(&pool, "SELECT pg_reload_conf()"));
        let part = (name, least_together);
        all.push(refreshes(runtime, &server, &sizes, effort, part));
    }
    for size in &sizes {
        size.check(runtime, &pool);
    }
    let size = sizes.into_iter().next_back();
    runtime.block_on(execute(&pool, "ALTER SYSTEM RESET ALL"));
    runtime.block_on(execute(&pool, "SELECT pg_reload_conf()"));
    let (promise, note) = runtime.block_on(purge(&server, &pool, effort));
    if let Some(measured) = all.first_mut() {
        measured.promises.push(promise);
        measured.notes.extend(size.map(|size| size.note));
        measured.notes.push(note);
    }
    all
}

fn refreshes(
    runtime: &Runtime,
    server: &Server,
    sizes: &[Size],
    effort: &Effort,
    (name, least_together): (&str, f64),
) -> Measured {
    let time = Duration::from_secs(effort.seconds.into());
    let mut ways = Vec::new();
    for size in sizes {
        for (who, algorithm, callers) in [
            ("hallpass, HS256", Algorithm::HS256, CLIENTS),
            ("hallpass, EdDSA", Algorithm::EdDSA, CLIENTS),
            (MANY_CALLERS, Algorithm::HS256, MANY),
        ] {
            let manager =
                clients::manager(size.store.clone(), fixture::issuer(algorithm), &size.clock);
            let manager = manager.build().expect("the settings are in range");
            let run = Box::new(move || {
                runtime.block_on(size.clients.refresh_for(&manager, callers, time))
            });
            let sessions = size.sessions;
            ways.push(Way { who, sessions, run });
        }
        for (who, clients) in BARES {
            ways.push(Way {
                who,
                sessions: size.sessions,
                run: Box::new(move || size.pgbench(server, clients, effort.seconds)),
            });
        }
    }
    let results = contest::run(effort.rounds, ways);
    let mut promises = results.at_least("hallpass, HS256", BARE, LEAST);
    promises.extend(results.grows_at_most("hallpass, HS256", BARE, GROWTH));
    for (limit, _) in BARES {
        promises.extend(results.at_least(MANY_CALLERS, limit, least_together));
    }
    let lines = results.lines(BARE);
    let sharing = sizes.last().and_then(|size| {
        let issuer = || fixture::issuer(Algorithm::HS256);
        let shared = clients::manager(size.store.clone(), issuer(), &size.clock);
        let alone = (0..ALONE).map(|_| {
            let options = PostgresStoreOptions::new().schema(&size.ours);
            let options = options.connections(4).notices(Notices::Poll);
            let store = runtime.block_on(options.connect(&server.url()));
            let store = store.expect("the server answers");
            clients::manager(store, issuer(), &size.clock).build().ok()
        });
        let shared = Sending::new(shared.build().ok()?);
        let alone = Sending::spread(alone.collect::<Option<_>>()?);
        // So that every connection is open.
        let warm = Duration::from_millis(500);
        let of = (lines.as_slice(), BARE, size.sessions);
        runtime.block_on(size.clients.p99(&alone, 1000.0, warm));
        size.clients.sharing(runtime, [&shared, &alone], of, effort)
    });
    Measured {
        name: name.to_owned(),
        lines,
        promises,
        notes: Vec::new(),
        sharing,
    }
}

async fn purge(server: &Server, pool: &PgPool, effort: &Effort) -> (Promise, String) {
    let clock = clients::clock();
    let store = open(server, "purge").await;
    let over = clock.now() - purge::LONG_AGO;
    copy(pool, &store, "purge", 0..effort.purged, over).await;
    let live = effort.purged..effort.purged + 10_000;
    let tokens = copy(pool, &store, "purge", live, clock.now()).await;
    execute(pool, "VACUUM (ANALYZE) purge.session").await;
    execute(pool, "CHECKPOINT").await;
    purge::under_load(store, &Clients::new(tokens, clock.clone()), &clock, effort).await
}

/// This many sessions in a schema of the store, and as many in one of pgbench.
struct Size {
    sessions: u32,
    clock: TestClock,
    store: PostgresStore,
    clients: std::sync::Arc<Clients>,
    ours: String,
    bare: String,
    script: tempfile::TempPath,
    /// How often pgbench has run the statement.
    bare_runs: Cell<u64>,
    note: String,
}

impl Size {
    async fn fill(server: &Server, pool: &PgPool, sessions: u32) -> Self {
        let clock = clients::clock();
        let (ours, bare) = (format!("ours_{sessions}"), format!("bare_{sessions}"));
        let store = open(server, &ours).await;
        let tokens = copy(pool, &store, &ours, 0..sessions, clock.now()).await;
        // The store creates the tables of both schemas.
        drop(open(server, &bare).await);
        let selected = columns::NAMES.map(|name| match name {
            "id" => format!("convert_to(({FIRST_ID} + row_number() OVER ())::text, 'UTF8')"),
            "generation" => "0".to_owned(),
            "token_hash" => format!("'{BARE_HASH}'::bytea"),
            name => name.to_owned(),
        });
        let names = columns::NAMES.join(", ");
        let selected = selected.join(", ");
        execute(
            pool,
            &format!("INSERT INTO {bare}.session ({names}) SELECT {selected} FROM {ours}.session"),
        )
        .await;
        for schema in [&ours, &bare] {
            execute(pool, &format!("VACUUM (ANALYZE, FREEZE) {schema}.session")).await;
        }
        let size = format!(
            "SELECT pg_total_relation_size('{ours}.session') + pg_total_relation_size('{ours}.subject')"
        );
        let size = sqlx::query(AssertSqlSafe(size)).fetch_one(pool).await;
        let size: i64 = size
            .and_then(|row| row.try_get(0))
            .expect("the tables have a size");
        let note = format!(
            "{} bytes a session of {}, indexes and the rows of their subjects included",
            size / i64::from(sessions),
            figures::number::number(f64::from(sessions)),
        );
        let script = tempfile::NamedTempFile::new().expect("a file for pgbench's script");
        fs::write(&script, bare_script(&bare, sessions, clock.now())).expect("it can be written");
        Self {
            sessions,
            clients: Clients::new(tokens, clock.clone()),
            clock,
            store,
            ours,
            bare,
            script: script.into_temp_path(),
            bare_runs: Cell::new(0),
            note,
        }
    }

    /// Writes one row of each page: the first write of a page after a checkpoint puts all of it
    /// into the log. Of a million sessions that would be every write for a minute, and then none.
    async fn settle(&self, pool: &PgPool) {
        for schema in [&self.ours, &self.bare] {
            let settle = format!(
                "UPDATE {schema}.session SET last_seen_at = last_seen_at WHERE ctid = ANY (ARRAY(
                    SELECT format('(%s,1)', page)::tid FROM generate_series(0,
                        pg_relation_size('{schema}.session') / 8192 - 1) AS page))"
            );
            execute(pool, &settle).await;
        }
    }

    /// Checks that pgbench changed a row each time, because it reads no answer. The server adds what a
    /// connection did to its counters if the connection has ended.
    fn check(&self, runtime: &Runtime, pool: &PgPool) {
        let bare = &self.bare;
        let asked = format!(
            "SELECT n_tup_upd FROM pg_stat_user_tables WHERE relid = '{bare}.session'::regclass"
        );
        testbed::wait_until("pgbench has changed a row each time", || {
            let changed = sqlx::query(AssertSqlSafe(asked.as_str())).fetch_one(pool);
            let changed: Result<i64, _> = runtime.block_on(changed).and_then(|row| row.try_get(0));
            changed.expect("the server counts").unsigned_abs() >= self.bare_runs.get()
        });
    }

    /// Runs the bare statement with as many clients, for whole seconds; returns how many a second.
    fn pgbench(&self, server: &Server, clients: usize, seconds: u32) -> f64 {
        let mut pgbench = Command::new(server.program("pgbench"));
        // Its output is parsed.
        pgbench
            .env("LC_ALL", "C")
            .args([
                "--no-vacuum",
                "--protocol=prepared",
                "--jobs=2",
                "--host=127.0.0.1",
            ])
            .arg(format!("--define=hash={BARE_HASH}"))
            .args(BARE_TEXTS.map(|text| format!("--define={text}")))
            .arg(format!("--client={clients}"))
            // It counts from before the clients connect.
            .arg(format!("--time={}", seconds as usize + clients / MANY))
            .arg(format!("--port={}", server.port()))
            .arg("--file")
            .arg(&self.script)
            .args(["--username=postgres", "postgres"]);
        let output = pgbench.output().expect("pgbench stands beside the server");
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        let tps = text.lines().find_map(|line| line.strip_prefix("tps = "));
        let tps = tps.and_then(|rest| rest.split(' ').next()?.parse().ok());
        let all = text.contains("number of failed transactions: 0 ");
        let runs = text
            .lines()
            .find_map(|line| line.strip_prefix("number of transactions actually processed: "));
        let runs: Option<u64> = runs.and_then(|count| count.parse().ok());
        self.bare_runs
            .set(self.bare_runs.get() + runs.unwrap_or_default());
        tps.filter(|_: &f64| all && output.status.success())
            .unwrap_or_else(|| unreachable!("pgbench: {text}{errors}"))
    }
}

/// What pgbench runs: the statement of a refresh, with every value that the library sends. If a value is
/// NULL, it is part of the statement, because pgbench cannot send it. A row keeps its generation and its
/// hash, so that the next refresh finds them.
fn bare_script(schema: &str, sessions: u32, now: UnixTime) -> String {
    let day = Duration::from_hours(24);
    let idle = now + 30 * day;
    let purge = (idle + day).as_secs().next_multiple_of(day.as_secs());
    let (now, idle, columns) = (now.as_secs(), idle.as_secs(), columns::NAMES.join(", "));
    format!(
        r"\set id {FIRST_ID} + random(1, {sessions})
\set generation 0
\set now {now}
\set idle {idle}
\set purge {purge}
UPDATE {schema}.session SET
    generation = :generation, token_hash = :hash, previous_hash = :hash, nonce = :nonce,
    rotation_kid = :kid, rotated_at = :now, rotated_by = :by,
    idle_expires_at = CASE WHEN remember THEN :idle::bigint ELSE :idle::bigint END,
    purge_at = CASE WHEN remember THEN :purge::bigint ELSE :purge::bigint END,
    last_seen_at = :now,
    auth_time = coalesce(NULL, auth_time),
    acr = CASE WHEN NULL IS NULL THEN acr ELSE NULL END,
    amr = coalesce(NULL, amr),
    claims = coalesce(NULL, claims)
WHERE id = :id AND generation = :generation AND token_hash = :hash
    AND revoked_at IS NULL AND idle_expires_at > :now AND absolute_expires_at > :now
    AND (:now::bigint IS NULL OR rotated_at <= :now)
RETURNING {columns};
"
    )
}

/// The other texts of the script: values of the same lengths as ours.
const BARE_TEXTS: [&str; 3] = [
    "nonce=\\x00112233445566778899aabbccddeeff",
    "kid=refresh",
    "by=refresh",
];

pub(crate) async fn pool(server: &Server) -> PgPool {
    let options: PgConnectOptions = server.url().parse().expect("the server's address");
    let pool = PgPoolOptions::new()
        .max_connections(2)
        .connect_with(options);
    pool.await.expect("the server answers")
}

async fn open(server: &Server, schema: &str) -> PostgresStore {
    let options = PostgresStoreOptions::new().schema(schema);
    let store = options.connect(&server.url()).await;
    store.expect("the server answers")
}

/// Copies sessions into a schema of the store, and returns their tokens.
pub(crate) async fn copy(
    pool: &PgPool,
    store: &PostgresStore,
    schema: &str,
    numbers: std::ops::Range<u32>,
    now: UnixTime,
) -> Vec<String> {
    let issuer = fixture::issuer(Algorithm::HS256);
    let (mut tokens, mut subjects) = (Vec::new(), String::new());
    let mut connection = pool.acquire().await.expect("the server answers");
    let statement = format!(
        "COPY {schema}.session ({}) FROM STDIN",
        columns::NAMES.join(", ")
    );
    let copy = connection.copy_in_raw(&statement).await;
    let mut copy = copy.expect("the table is there");
    let mut lines = String::new();
    for number in numbers {
        let bucket = |subject: &_| store.bucket(subject);
        let (session, token) = fixture::session(&issuer, number, now, bucket);
        columns::copy_line(&mut lines, &columns::values(&session));
        subjects.push_str(session.subject.as_str());
        subjects.push_str("\t0\n");
        tokens.push(token);
        if lines.len() > PIECE {
            let sent = copy.send(std::mem::take(&mut lines).into_bytes()).await;
            sent.expect("the server takes it");
        }
    }
    copy.send(lines.into_bytes())
        .await
        .expect("the server takes it");
    copy.finish().await.expect("the rows are good");
    let statement = format!("COPY {schema}.subject (subject, epoch) FROM STDIN");
    let copy = connection.copy_in_raw(&statement).await;
    let mut copy = copy.expect("the table is there");
    copy.send(subjects.into_bytes())
        .await
        .expect("the server takes it");
    copy.finish().await.expect("the rows are good");
    tokens
}

async fn execute(pool: &PgPool, statement: &str) {
    let done = sqlx::raw_sql(AssertSqlSafe(statement)).execute(pool).await;
    done.unwrap_or_else(|error| unreachable!("{statement}: {error}"));
}
