//! The application before and after the move, with the cookie and with Redis as the old store.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test"
)]

#[path = "../../totp/tests/browser/mod.rs"]
mod browser;
#[path = "../../from-axum-login/tests/client/mod.rs"]
mod client;
#[path = "../../from-axum-login/tests/tabs/mod.rs"]
mod tabs;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use browser::{Browser, Server};
use client::Client;
use tabs::Tabs;

/// The cookie of actix-session, and ours.
const OLD: &str = "id";
const NEW: &str = "__Host-Http-session";

const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const OTHER_KEY: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";
const PERIOD: Duration = Duration::from_hours(14 * 24);

/// A Redis of this test's own, on a socket. It is ended by its process id.
struct Redis {
    process: Child,
    socket: String,
}

impl Redis {
    fn start(folder: &str) -> Self {
        let socket = format!("{folder}/redis.sock");
        let mut program = Command::new("redis-server");
        program.args([
            "--port",
            "0",
            "--save",
            "",
            "--unixsocket",
            &socket,
            "--dir",
            folder,
        ]);
        let redis = Self {
            process: program.stdout(Stdio::null()).spawn().unwrap(),
            socket,
        };
        let start = Instant::now();
        while UnixStream::connect(&redis.socket).is_err() {
            assert!(
                start.elapsed() < Duration::from_mins(1),
                "it does not start"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        redis
    }

    /// How many sessions there are.
    fn size(&self) -> String {
        let redis = UnixStream::connect(&self.socket).unwrap();
        (&redis).write_all(b"DBSIZE\r\n").unwrap();
        let mut answer = String::new();
        BufReader::new(redis).read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }

    /// Deletes every session, as if all had expired.
    fn flush(&self) {
        let mut redis = UnixStream::connect(&self.socket).unwrap();
        redis.write_all(b"FLUSHALL\r\n").unwrap();
        let mut answer = [0; 5];
        redis.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"+OK\r\n");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Site {
    folder: tempfile::TempDir,
    address: String,
    redis: Option<Redis>,
    security: &'static str,
}

impl Site {
    fn new(with_redis: bool, security: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let redis = with_redis.then(|| Redis::start(folder.path().to_str().unwrap()));
        Self {
            folder,
            address: "127.0.0.1:0".to_owned(),
            redis,
            security,
        }
    }

    fn store(&self) -> String {
        match &self.redis {
            Some(redis) => format!("redis+unix://{}", redis.socket),
            None => "cookie".to_owned(),
        }
    }

    /// Serves at the address at which the first program has served.
    fn start(&mut self, program: &mut Command) -> Server {
        let server = Server::start(program, 1);
        self.address = server.lines[0].replace("http://", "");
        server
    }

    fn before(&mut self) -> Server {
        let mut program = Command::new(env!("CARGO_BIN_EXE_before"));
        program.args([&self.address, &self.store(), KEY, self.security]);
        self.start(&mut program)
    }

    fn after(&mut self, key: &str, period: Duration) -> Server {
        self.after_with(key, period, &[])
    }

    fn after_with(&mut self, key: &str, period: Duration, more: &[&str]) -> Server {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let until = (now + period).as_secs().to_string();
        let folder = self.folder.path().to_str().unwrap().to_owned();
        let mut program = Command::new(env!("CARGO_BIN_EXE_after"));
        program.args([&self.address, &self.store(), key, self.security]);
        program.args([&folder, &until]);
        self.start(program.args(more))
    }
}

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
        303 => None,
        _ => panic!("{reply:?}"),
    }
}

fn moves(with_redis: bool, security: &'static str) {
    let mut site = Site::new(with_redis, security);
    let server = site.before();
    let mut alice = log_in(&server, "alice");
    for notes in 1..=3 {
        assert_eq!(alice.post("/notes", &[]).body, notes.to_string());
    }
    let mut bob = log_in(&server, "bob");
    // The same state as bob's, in another session.
    let mut bob_elsewhere = log_in(&server, "bob");
    let mut unseen = log_in(&server, "carol");
    let mut out = log_in(&server, "carol");
    let mut logged_out = out.clone();
    assert_eq!(out.post("/logout", &[]).status, 303);
    drop(server);

    // Under another key nothing is genuine, and all of it stays in the browser.
    let server = site.after(OTHER_KEY, PERIOD);
    let mut misread = bob.clone();
    assert_eq!(greeted(&mut misread), None);
    assert_eq!(misread.cookies, bob.cookies, "a wrong key logs nobody out");
    drop(server);

    let server = site.after(KEY, PERIOD);
    let mut tab = alice.clone();
    assert_eq!(greeted(&mut alice).as_deref(), Some("alice"));
    let names: Vec<_> = alice.cookies.keys().map(|name| &**name).collect();
    assert_eq!(
        names,
        [NEW],
        "the new cookie has taken the place of the old one"
    );
    assert_eq!(alice.post("/notes", &[]).body, "4");
    assert_eq!(greeted(&mut tab).as_deref(), Some("alice"));
    assert_eq!(tab.cookies, alice.cookies, "one session for both tabs");
    assert_eq!(greeted(&mut bob).as_deref(), Some("bob"));
    assert_eq!(greeted(&mut bob_elsewhere).as_deref(), Some("bob"));
    // A signed cookie is its state and nothing else, so nobody can tell one browser with it from another.
    let has_own = with_redis || security == "private";
    assert_eq!(bob.cookies != bob_elsewhere.cookies, has_own);
    if with_redis {
        assert_eq!(greeted(&mut logged_out), None, "logged out before the move");
    }
    let genuine = unseen.cookies[OLD].clone();
    for tampered in [
        genuine.replacen(genuine.get(9..10).unwrap(), "", 1),
        genuine.get(..40).unwrap().to_owned(),
        "x".to_owned(),
    ] {
        let mut browser = server.browser();
        browser.cookies.insert(OLD.to_owned(), tampered);
        assert_eq!(greeted(&mut browser), None);
        assert!(
            browser.cookies.contains_key(OLD),
            "it may be of another key"
        );
    }
    // A logout wins over the old cookie.
    let mut copied = unseen.clone();
    assert_eq!(greeted(&mut unseen).as_deref(), Some("carol"));
    assert_eq!(unseen.post("/logout", &[]).status, 303);
    assert_eq!(greeted(&mut copied), None);
    drop(server);

    // Back to the application as it was: it has never heard of the logout.
    let server = site.before();
    let mut stayed = server.browser();
    stayed.cookies.insert(OLD.to_owned(), genuine.clone());
    assert_eq!(greeted(&mut stayed).as_deref(), Some("carol"));
    drop(server);
    if let Some(redis) = &site.redis {
        redis.flush();
        let server = site.after(KEY, PERIOD);
        let mut expired = server.browser();
        expired.cookies.insert(OLD.to_owned(), genuine.clone());
        assert_eq!(greeted(&mut expired), None);
    }

    // After the period nothing of before is read.
    let server = site.after(KEY, Duration::ZERO);
    let mut late = server.browser();
    late.cookies.insert(OLD.to_owned(), genuine);
    assert_eq!(greeted(&mut late), None);
    assert!(late.cookies.contains_key(OLD));
}

/// With `delete_old`, the session of who has come goes from Redis once the grace has passed, so that a copied cookie of
/// before opens nothing, and least of all in the application of before.
#[test]
fn sessions_in_redis_are_deleted_if_they_shall() {
    let mut site = Site::new(true, "private");
    let sessions = |site: &Site| site.redis.as_ref().unwrap().size();
    let server = site.before();
    let mut alice = log_in(&server, "alice");
    let mut bob = log_in(&server, "bob");
    let mut copied = alice.clone();
    assert_eq!(sessions(&site), ":2");
    drop(server);

    let server = site.after_with(KEY, PERIOD, &["1"]);
    let mut lost = alice.clone();
    assert_eq!(greeted(&mut lost).as_deref(), Some("alice"));
    // Her browser has not got the answer, and asks again.
    assert_eq!(greeted(&mut alice).as_deref(), Some("alice"));
    let names: Vec<_> = alice.cookies.keys().map(|name| &**name).collect();
    assert_eq!(names, [NEW, OLD], "both, as long as either may be needed");
    assert_eq!(sessions(&site), ":2");

    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(greeted(&mut alice).as_deref(), Some("alice"));
    let names: Vec<_> = alice.cookies.keys().map(|name| &**name).collect();
    assert_eq!(names, [NEW], "the old cookie has gone with the session");
    assert_eq!(sessions(&site), ":1");
    assert_eq!(greeted(&mut copied.clone()), None, "nobody comes with it");
    assert_eq!(greeted(&mut alice).as_deref(), Some("alice"));
    drop(server);

    // Back to the application as it was.
    let server = site.before();
    assert_eq!(greeted(&mut copied), None, "the copy is dead there too");
    assert_eq!(greeted(&mut alice), None);
    assert_eq!(greeted(&mut bob).as_deref(), Some("bob"), "he never came");
    drop(server);
}

#[test]
fn sessions_in_an_encrypted_cookie_go_on() {
    moves(false, "private");
}

#[test]
fn sessions_in_a_signed_cookie_go_on() {
    moves(false, "signed");
}

#[test]
fn sessions_in_redis_with_an_encrypted_cookie_go_on() {
    moves(true, "private");
}

#[test]
fn sessions_in_redis_with_a_signed_cookie_go_on() {
    moves(true, "signed");
}

/// Fifty clients and three tabs of Chromium use the old application, which is stopped and started again as the new one: nobody is asked to
/// log in, and no request is refused.
#[test]
fn fifty_clients_and_three_tabs_go_on_while_the_application_is_replaced() {
    const CLIENTS: u64 = 50;
    let mut site = Site::new(true, "private");
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
        let _after = site.after(KEY, PERIOD);
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
