//! SQLite: filled in bulk, refreshed through the manager, and by its statement in a loop.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use figures::stores::{Measured, Promise};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, QueryBuilder, SqliteConnection};
use store_sql::SqliteStore;
use store_sql::sqlite::{Durability, SqliteStoreOptions};
use tempfile::TempDir;
use token_core::{Algorithm, SessionId, UnixTime};
use token_session::SessionStore as _;
use token_session::clock::Clock as _;
use token_session::test_util::TestClock;
use tokio::runtime::Runtime;

use super::clients::{self, Clients, Sending, per_second};
use super::columns::{self, Cell};
use super::contest::{self, Way};
use super::{CLIENTS, Effort, MANY, fixture, purge};

/// How ours is called in tables with many callers at once.
const MANY_CALLERS: &str = "hallpass, HS256, 64 callers";
/// How the limit is called in tables.
const BARE: &str = "the statement in a loop";
/// The part of the limit that ours has to reach.
const LEAST: f64 = 0.6;
/// The same with many callers, whose writes wait for the disk together.
const LEAST_TOGETHER: f64 = 5.0;
/// How many rows one statement inserts: SQLite takes at most 32,766 values.
const TOGETHER: usize = 1000;

/// Measures refreshes, with and without waiting for the disk, then a purge.
///
/// # Panics
/// Where the file cannot be written, or a refresh fails.
pub fn measure(runtime: &Runtime, effort: &Effort) -> Vec<Measured> {
    let folder = tempfile::tempdir().expect("a folder");
    let sizes: Vec<Size> = effort
        .sessions
        .iter()
        .map(|sessions| runtime.block_on(Size::fill(&folder, *sessions)))
        .collect();
    let mut all = vec![
        refreshes(runtime, &sizes, effort, Durability::Full),
        refreshes(runtime, &sizes, effort, Durability::Endings),
    ];
    let (promise, note) = runtime.block_on(purge(&folder, effort));
    if let Some(measured) = all.first_mut() {
        measured.promises.push(promise);
        measured
            .notes
            .extend(sizes.last().map(|size| size.note.clone()));
        measured.notes.push(note);
    }
    all
}

fn refreshes(
    runtime: &Runtime,
    sizes: &[Size],
    effort: &Effort,
    durability: Durability,
) -> Measured {
    let (name, synchronous) = match durability {
        Durability::Endings => ("SQLite, `Durability::Endings`", SqliteSynchronous::Normal),
        Durability::Full => ("SQLite, each commit on the disk", SqliteSynchronous::Full),
    };
    let time = Duration::from_secs(effort.seconds.into());
    let mut ways = Vec::new();
    for size in sizes {
        let sessions = size.sessions;
        let options = SqliteStoreOptions::new().durability(durability);
        let store = runtime
            .block_on(options.open(&size.file))
            .expect("it was opened before");
        for (who, algorithm, callers) in [
            ("hallpass, HS256", Algorithm::HS256, CLIENTS),
            ("hallpass, EdDSA", Algorithm::EdDSA, CLIENTS),
            (MANY_CALLERS, Algorithm::HS256, MANY),
        ] {
            let issuer = fixture::issuer(algorithm);
            let manager = clients::manager(store.clone(), issuer, &size.clock).build();
            let manager = manager.expect("the settings are in range");
            let run = Box::new(move || {
                runtime.block_on(size.clients.refresh_for(&manager, callers, time))
            });
            ways.push(Way { who, sessions, run });
        }
        let mut bare = runtime.block_on(Bare::open(size, synchronous));
        let run = Box::new(move || runtime.block_on(bare.run_for(time)));
        ways.push(Way {
            who: BARE,
            sessions,
            run,
        });
    }
    let results = contest::run(effort.rounds, ways);
    let mut promises = results.at_least("hallpass, HS256", BARE, LEAST);
    if durability == Durability::Full {
        promises.extend(results.at_least(MANY_CALLERS, BARE, LEAST_TOGETHER));
    }
    let lines = results.lines(BARE);
    let sharing = sizes.last().and_then(|size| {
        let options = SqliteStoreOptions::new().durability(durability);
        let store = runtime.block_on(options.open(&size.file)).ok()?;
        let issuer = fixture::issuer(Algorithm::HS256);
        let manager = clients::manager(store, issuer, &size.clock).build().ok()?;
        let shared = Sending::new(manager.clone());
        let alone = Sending::one_by_one(manager);
        let of = (lines.as_slice(), BARE, size.sessions);
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

async fn purge(folder: &TempDir, effort: &Effort) -> (Promise, String) {
    let clock = clients::clock();
    let file = folder.path().join("purge.db");
    let over = clock.now() - purge::LONG_AGO;
    insert(&file, 0..effort.purged, over).await;
    let live = effort.purged..effort.purged + 10_000;
    let (tokens, _) = insert(&file, live, clock.now()).await;
    let store = SqliteStore::open(&file)
        .await
        .expect("it was opened before");
    purge::under_load(store, &Clients::new(tokens, clock.clone()), &clock, effort).await
}

/// A file with this many sessions, and a copy of it for the bare statement.
struct Size {
    sessions: u32,
    clock: TestClock,
    clients: Arc<Clients>,
    ids: Vec<SessionId>,
    file: std::path::PathBuf,
    copy: std::path::PathBuf,
    note: String,
}

impl Size {
    async fn fill(folder: &TempDir, sessions: u32) -> Self {
        let clock = clients::clock();
        let file = folder.path().join(format!("ours-{sessions}.db"));
        let copy = folder.path().join(format!("bare-{sessions}.db"));
        let (tokens, ids) = insert(&file, 0..sessions, clock.now()).await;
        let bytes = fs::copy(&file, &copy).expect("there is room");
        let note = format!(
            "{} bytes a session of {}, indexes included",
            bytes / u64::from(sessions),
            figures::number::number(f64::from(sessions)),
        );
        Self {
            sessions,
            clients: Clients::new(tokens, clock.clone()),
            clock,
            ids,
            file,
            copy,
            note,
        }
    }
}

/// The statement of a refresh alone, on a connection with the same pragmas as the store's.
struct Bare {
    connection: SqliteConnection,
    /// Each row's id, generation and hash, as they are now.
    rows: Vec<(SessionId, i64, [u8; 32])>,
    next: usize,
    now: UnixTime,
    statement: String,
}

impl Bare {
    async fn open(size: &Size, synchronous: SqliteSynchronous) -> Self {
        let mut connection = connect(&size.copy, synchronous).await;
        // As if each had been written here before: the hash follows from the generation.
        let reset = "UPDATE hallpass_session SET generation = 0, token_hash = zeroblob(32)";
        sqlx::query(reset)
            .execute(&mut connection)
            .await
            .expect("there is room");
        let columns = columns::NAMES.join(", ");
        Self {
            connection,
            rows: size.ids.iter().map(|id| (*id, 0, [0; 32])).collect(),
            next: 0,
            now: size.clock.now(),
            statement: format!(
                "UPDATE hallpass_session SET
                    generation = $6, token_hash = $7, previous_hash = $8, nonce = $9,
                    rotation_kid = $10, rotated_at = $4, rotated_by = $11,
                    idle_expires_at = CASE WHEN remember THEN $14 ELSE $12 END,
                    purge_at = CASE WHEN remember THEN $15 ELSE $13 END,
                    last_seen_at = $16,
                    auth_time = coalesce($17, auth_time),
                    acr = CASE WHEN $17 IS NULL THEN acr ELSE $18 END,
                    amr = coalesce($19, amr),
                    claims = coalesce($20, claims)
                WHERE id = $1 AND generation = $2 AND token_hash = $3
                    AND revoked_at IS NULL AND idle_expires_at > $4 AND absolute_expires_at > $4
                    AND ($5 IS NULL OR rotated_at <= $5)
                RETURNING {columns}"
            ),
        }
    }

    async fn run_for(&mut self, time: Duration) -> f64 {
        let (start, mut done) = (Instant::now(), 0);
        loop {
            self.run().await;
            done += 1;
            if start.elapsed() >= time {
                return per_second(done, start.elapsed());
            }
        }
    }

    async fn run(&mut self) {
        let day = Duration::from_hours(24);
        let now = i64::try_from(self.now.as_secs()).expect("a time of this century");
        let idle = i64::try_from((self.now + 30 * day).as_secs()).expect("a time of this century");
        self.next = (self.next + clients::STRIDE) % self.rows.len();
        let (id, generation, hash) = self.rows.get_mut(self.next).expect("a remainder is below");
        let mut new = [0; 32];
        new[..8].copy_from_slice(&(*generation + 1).to_le_bytes());
        let statement = sqlx::query(AssertSqlSafe(self.statement.as_str()))
            .bind(id.as_bytes().as_slice())
            .bind(*generation)
            .bind(&hash[..])
            .bind(now)
            .bind(now)
            .bind(*generation + 1)
            .bind(&new[..])
            .bind(&hash[..])
            .bind(&new[..16])
            .bind("refresh")
            .bind("refresh");
        let nothing: Option<&str> = None;
        let statement = statement
            .bind(idle)
            .bind(idle)
            .bind(idle)
            .bind(idle)
            .bind(now)
            .bind(None::<i64>)
            .bind(nothing)
            .bind(nothing)
            .bind(nothing);
        let rows = statement.fetch_all(&mut self.connection).await;
        assert_eq!(rows.expect("there is room").len(), 1, "a rotation");
        (*generation, *hash) = (*generation + 1, new);
    }
}

async fn connect(file: &Path, synchronous: SqliteSynchronous) -> SqliteConnection {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .pragma("journal_size_limit", (64 << 20).to_string());
    options.connect().await.expect("it is a database")
}

/// Inserts sessions into a file of the store, and returns their tokens and ids.
async fn insert(
    file: &Path,
    numbers: std::ops::Range<u32>,
    now: UnixTime,
) -> (Vec<String>, Vec<SessionId>) {
    let store = SqliteStore::open(file).await.expect("a new file");
    let issuer = fixture::issuer(Algorithm::HS256);
    let (mut tokens, mut ids) = (Vec::new(), Vec::new());
    let mut connection = connect(file, SqliteSynchronous::Off).await;
    let room = "PRAGMA cache_size = -1000000";
    sqlx::query(room)
        .execute(&mut connection)
        .await
        .expect("a pragma");
    let mut transaction = connection.begin().await.expect("nobody else writes");
    let numbers: Vec<u32> = numbers.collect();
    for some in numbers.chunks(TOGETHER) {
        let mut rows = Vec::new();
        for number in some {
            let bucket = |subject: &_| store.bucket(subject);
            let (session, token) = fixture::session(&issuer, *number, now, bucket);
            rows.push(columns::values(&session));
            ids.push(session.id);
            tokens.push(token);
        }
        let names = columns::NAMES.join(", ");
        let mut statement = QueryBuilder::new(format!("INSERT INTO hallpass_session ({names}) "));
        statement.push_values(rows, |mut row, cells| {
            for cell in cells {
                match cell {
                    Cell::Bytes(bytes) => row.push_bind(bytes),
                    Cell::Flag(flag) => row.push_bind(flag),
                    Cell::Int(number) => row.push_bind(number),
                    Cell::Null => row.push_bind(None::<i64>),
                    Cell::Text(text) => row.push_bind(text),
                };
            }
        });
        let inserted = statement.build().execute(&mut *transaction).await;
        inserted.expect("the rows are good");
    }
    transaction.commit().await.expect("there is room");
    // So that everything is in the one file, which is copied.
    let all = "PRAGMA wal_checkpoint(TRUNCATE)";
    sqlx::query(all)
        .execute(&mut connection)
        .await
        .expect("nobody reads");
    connection.close().await.expect("it was just written");
    drop(store);
    (tokens, ids)
}
