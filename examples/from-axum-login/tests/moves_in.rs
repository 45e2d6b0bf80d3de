//! The application before and after the move, on one database.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test"
)]

#[path = "../../totp/tests/browser/mod.rs"]
mod browser;
mod client;
mod tabs;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use browser::{Browser, Server};
use client::Client;
use tabs::Tabs;
use tower_sessions::cookie::time::OffsetDateTime;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::SessionStore;
use tower_sessions_redis_store::RedisStore;
use tower_sessions_redis_store::fred::prelude::{Client as Redis, ClientLike as _, Config};
use tower_sessions_sqlx_store::sqlx::{self, PgPool, SqlitePool};
use tower_sessions_sqlx_store::{PostgresStore, SqliteStore};

/// The cookie of tower-sessions, and ours.
const OLD: &str = "id";
const NEW: &str = "__Host-Http-session";

/// The database of both, with users whose password is `wonderland`.
struct Site {
    folder: tempfile::TempDir,
    address: String,
    /// Where the sessions of before are.
    sessions: String,
}

impl Site {
    fn new(sessions: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let site = Self {
            folder,
            address: "127.0.0.1:0".to_owned(),
            sessions: sessions.to_owned(),
        };
        std::fs::File::create(site.database()).unwrap();
        site.with_database(async |pool| {
            let table = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, \
                         password_hash TEXT NOT NULL)";
            sqlx::query(table).execute(&pool).await.unwrap();
            for name in ["alice", "bob", "carol"] {
                let insert = sqlx::query("INSERT INTO users (name, password_hash) VALUES (?, ?)");
                let hash = password_auth::generate_hash("wonderland");
                insert.bind(name).bind(hash).execute(&pool).await.unwrap();
            }
        });
        site
    }

    fn database(&self) -> String {
        self.path("site.db")
    }

    fn path(&self, name: &str) -> String {
        let path: &Path = self.folder.path();
        path.join(name).to_str().unwrap().to_owned()
    }

    fn with_database(&self, work: impl AsyncFnOnce(SqlitePool)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(async {
            let url = format!("sqlite:{}", self.database());
            let pool = SqlitePool::connect(&url).await.unwrap();
            work(pool.clone()).await;
            pool.close().await;
        });
    }

    /// The real store of before.
    async fn store(&self, pool: SqlitePool) -> Arc<dyn SessionStore> {
        if self.sessions == "sqlite" {
            return Arc::new(SqliteStore::new(pool));
        }
        if self.sessions.starts_with("postgres:") {
            let pool = PgPool::connect(&self.sessions).await.unwrap();
            return Arc::new(PostgresStore::new(pool));
        }
        let client = Redis::new(Config::from_url(&self.sessions).unwrap(), None, None, None);
        client.init().await.unwrap();
        Arc::new(RedisStore::new(client))
    }

    /// Another session like that of this browser, which the real store has written with this end.
    fn another(&self, end: OffsetDateTime, like: &Browser) -> Browser {
        let id: Id = like.cookies[OLD].parse().unwrap();
        let mut browser = like.clone();
        self.with_database(async |pool| {
            let store = self.store(pool).await;
            let record: Record = store.load(&id).await.unwrap().unwrap();
            let mut copy = Record {
                id: Id::default(),
                expiry_date: end,
                ..record
            };
            store.create(&mut copy).await.unwrap();
            browser.cookies.insert(OLD.to_owned(), copy.id.to_string());
        });
        browser
    }

    /// Whether the real store still has the record of this cookie.
    fn has_record(&self, cookie: &str) -> bool {
        let id: Id = cookie.parse().unwrap();
        let mut has = false;
        self.with_database(async |pool| {
            let store = self.store(pool).await;
            has = store.load(&id).await.unwrap().is_some();
        });
        has
    }

    /// Serves at the address at which the first program has served.
    fn start(&mut self, program: &mut Command) -> Server {
        let server = Server::start(program, 1);
        self.address = server.lines[0].replace("http://", "");
        server
    }

    fn before(&mut self) -> Server {
        let mut program = Command::new(env!("CARGO_BIN_EXE_before"));
        program.args([&self.address, &self.database(), &self.sessions]);
        self.start(&mut program)
    }

    fn after(&mut self, period: Duration) -> Server {
        self.after_with(period, &[])
    }

    fn after_with(&mut self, period: Duration, more: &[&str]) -> Server {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let until = (now + period).as_secs().to_string();
        let mut program = Command::new(env!("CARGO_BIN_EXE_after"));
        program.args([
            &self.address,
            &self.database(),
            &self.sessions,
            &self.path("keys.json"),
            &until,
        ]);
        self.start(program.args(more))
    }
}

const PERIOD: Duration = Duration::from_hours(14 * 24);

fn log_in(server: &Server, name: &str) -> Browser {
    let mut browser = server.browser();
    let reply = browser.post("/login", &[("name", name), ("password", "wonderland")]);
    assert_eq!((reply.status, &*reply.location), (303, "/"), "{name}");
    browser
}

/// The name that the first page greets, or nothing if it leads to the login.
fn greeted(browser: &mut Browser) -> Option<String> {
    let reply = browser.get("/");
    match reply.status {
        200 => Some(reply.body),
        307 => {
            assert!(reply.location.starts_with("/login"), "{reply:?}");
            None
        }
        _ => panic!("{reply:?}"),
    }
}

/// Takes the newest cookies of another browser, as if it had another tab.
fn tab(browser: &Browser) -> Browser {
    browser.clone()
}

/// A server of this run, as `cargo xtask test examples` starts it.
fn server(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} names a server for this test"))
}

#[test]
fn those_with_sessions_in_sqlite_are_still_logged_in_and_nobody_else_is() {
    moves("sqlite");
}

#[test]
fn those_with_sessions_in_postgresql_are_still_logged_in_and_nobody_else_is() {
    moves(&server("HALLPASS_TEST_POSTGRES_URL"));
}

#[test]
fn those_with_sessions_in_redis_are_still_logged_in_and_nobody_else_is() {
    moves(&server("HALLPASS_TEST_REDIS_URL"));
}

fn moves(sessions: &str) {
    let mut site = Site::new(sessions);
    let server = site.before();
    let mut alice = log_in(&server, "alice");
    for notes in 1..=3 {
        assert_eq!(alice.post("/notes", &[]).body, notes.to_string());
    }
    let mut bob = log_in(&server, "bob");
    let mut bob_elsewhere = log_in(&server, "bob");
    // A change of the password ends every other session.
    let reply = bob.post("/password", &[("password", "builder")]);
    assert_eq!(reply.status, 303, "{reply:?}");
    let mut gone = log_in(&server, "carol");
    let logged_out = tab(&gone);
    assert_eq!(gone.post("/logout", &[]).status, 303);
    let mut carol = log_in(&server, "carol");
    let now = OffsetDateTime::now_utc();
    let mut expired = site.another(now - Duration::from_secs(1), &carol);
    let mut long = site.another(now + Duration::from_hours(1), &carol);
    drop(server);

    let server = site.after(PERIOD);
    assert_eq!(greeted(&mut alice).as_deref(), Some("alice"));
    let names: Vec<_> = alice.cookies.keys().map(|name| &**name).collect();
    assert_eq!(
        names,
        [NEW],
        "the new cookie has taken the place of the old one"
    );
    assert_eq!(alice.post("/notes", &[]).body, "4");
    assert_eq!(greeted(&mut bob).as_deref(), Some("bob"));
    assert_eq!(greeted(&mut carol).as_deref(), Some("carol"));
    assert_eq!(greeted(&mut long).as_deref(), Some("carol"));

    let mut forged = server.browser();
    forged
        .cookies
        .insert(OLD.to_owned(), Id::default().to_string());
    let mut nonsense = server.browser();
    nonsense.cookies.insert(OLD.to_owned(), "x".to_owned());
    let mut out = logged_out;
    let changed = "the password was changed before the move";
    for (why, browser, kept) in [
        (changed, &mut bob_elsewhere, 1),
        ("logged out before the move", &mut out, 0),
        ("expired", &mut expired, 0),
        ("made up", &mut forged, 0),
        ("not an id", &mut nonsense, 1),
    ] {
        assert_eq!(greeted(browser), None, "{why}");
        assert_eq!(browser.cookies.len(), kept, "{why}: {:?}", browser.cookies);
    }

    // A logout, and a change of the password, hold for old cookies that were seen and for others.
    drop(server);
    let server = site.before();
    let later = log_in(&server, "carol");
    let mut unseen = site.another(now + Duration::from_hours(1), &later);
    drop(server);
    let server = site.after(PERIOD);
    let mut again = server.browser();
    let old = unseen.cookies[OLD].clone();
    again.cookies.insert(OLD.to_owned(), old.clone());
    assert_eq!(greeted(&mut again).as_deref(), Some("carol"));
    assert_eq!(again.post("/logout", &[]).status, 303);
    assert_eq!(greeted(&mut unseen), None);
    for (old, expected) in [("wrong", 401), ("wonderland", 303)] {
        let reply = alice.post("/password", &[("old", old), ("password", "mirror")]);
        assert_eq!(reply.status, expected);
    }
    assert_eq!(greeted(&mut alice).as_deref(), Some("alice"));
    drop(server);

    // Back to the application as it was: those who have not come since are logged in there.
    let server = site.before();
    let mut stayed = server.browser();
    stayed.cookies.insert(OLD.to_owned(), old);
    assert_eq!(
        greeted(&mut stayed).as_deref(),
        Some("carol"),
        "it has never heard of the logout"
    );
    assert_eq!(greeted(&mut alice), None, "her old cookie was deleted");
    drop(server);

    // After the period nothing of before is read.
    let server = site.after(Duration::ZERO);
    let mut late = server.browser();
    late.cookies
        .insert(OLD.to_owned(), Id::default().to_string());
    assert_eq!(greeted(&mut late), None);
    assert!(late.cookies.contains_key(OLD));
}

#[test]
fn records_in_sqlite_are_deleted_if_they_shall() {
    deletes("sqlite");
}

#[test]
fn records_in_postgresql_are_deleted_if_they_shall() {
    deletes(&server("HALLPASS_TEST_POSTGRES_URL"));
}

#[test]
fn records_in_redis_are_deleted_if_they_shall() {
    deletes(&server("HALLPASS_TEST_REDIS_URL"));
}

/// With `delete_old`, the record of who has come goes once the grace has passed, so that a copied cookie of before opens
/// nothing, and least of all in the application of before.
fn deletes(sessions: &str) {
    let mut site = Site::new(sessions);
    let server = site.before();
    let mut alice = log_in(&server, "alice");
    let mut bob = log_in(&server, "bob");
    let (old, unseen) = (alice.cookies[OLD].clone(), bob.cookies[OLD].clone());
    let mut copied = tab(&alice);
    drop(server);

    let server = site.after_with(PERIOD, &["1"]);
    let mut lost = tab(&alice);
    assert_eq!(greeted(&mut lost).as_deref(), Some("alice"));
    // Her browser has not got the answer, and asks again.
    assert_eq!(greeted(&mut alice).as_deref(), Some("alice"));
    let names: Vec<_> = alice.cookies.keys().map(|name| &**name).collect();
    assert_eq!(names, [NEW, OLD], "both, as long as either may be needed");
    assert!(site.has_record(&old));

    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(greeted(&mut alice).as_deref(), Some("alice"));
    let names: Vec<_> = alice.cookies.keys().map(|name| &**name).collect();
    assert_eq!(names, [NEW], "the old cookie has gone with the record");
    assert!(!site.has_record(&old) && site.has_record(&unseen));
    assert_eq!(greeted(&mut tab(&copied)), None, "nobody can come with it");
    assert_eq!(greeted(&mut alice).as_deref(), Some("alice"));
    drop(server);

    // Back to the application as it was.
    let server = site.before();
    assert_eq!(greeted(&mut copied), None, "the copy is dead there too");
    assert_eq!(greeted(&mut alice), None);
    assert_eq!(greeted(&mut bob).as_deref(), Some("bob"), "he never came");
    drop(server);
}

/// Fifty clients and three tabs of Chromium use the old application, which is stopped and started again as the new one: nobody is asked to
/// log in, and no request is refused.
#[test]
fn fifty_clients_and_three_tabs_go_on_while_the_application_is_replaced() {
    const CLIENTS: u64 = 50;
    let mut site = Site::new("sqlite");
    let before = site.before();
    let mut clients: Vec<Client> = (0..CLIENTS)
        .map(|number| {
            let name = ["alice", "bob", "carol"][usize::try_from(number % 3).unwrap()];
            Client::of(&log_in(&before, name), &site.address, name)
        })
        .collect();
    let tabs = Tabs::start(&before.lines[0]);
    let (answered, moved) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let running: Vec<_> = clients
            .iter_mut()
            .map(|client| scope.spawn(|| client.work(&answered, &moved)))
            .collect();
        // All of them are at work.
        while answered.load(Ordering::SeqCst) < 4 * CLIENTS {
            std::thread::sleep(Duration::from_millis(10));
        }
        drop(before);
        let _after = site.after(PERIOD);
        moved.store(true, Ordering::SeqCst);
        println!("{}", tabs.moved());
        for client in running {
            client.join().unwrap();
        }
    });
    for client in &clients {
        let names: Vec<_> = client.cookies.keys().map(|name| &**name).collect();
        assert_eq!(names, [NEW]);
    }
    println!("{} requests, none refused", answered.into_inner());
}
