//! A login with a password and a code, asked over HTTP as a browser does.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod browser;

use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use browser::{Browser, Reply, Server};
use totp_rs::Totp;

/// The routes that need a session, with the method of each.
const PROTECTED: [(&str, &str); 4] = [
    ("POST", "/transfer"),
    ("POST", "/step-up"),
    ("GET", "/auth/session"),
    ("GET", "/auth/sessions"),
];

struct Example {
    server: Server,
    /// The application on the telephone of alice.
    totp: Totp,
    recovery_codes: Vec<String>,
}

impl Example {
    fn start() -> Self {
        let program = env!("CARGO_BIN_EXE_totp");
        let server = Server::start(Command::new(program).arg("127.0.0.1:0"), 3);
        let totp = Totp::from_url_unchecked(&server.lines[1]).unwrap();
        let recovery_codes = server.lines[2].split(' ').map(str::to_owned).collect();
        Self {
            server,
            totp,
            recovery_codes,
        }
    }

    /// The code that alice sees so many periods from now. Those of the last, this and the next are accepted.
    fn code(&self, periods: u64) -> String {
        let now = SystemTime::now() + Duration::from_secs(30) * u32::try_from(periods).unwrap();
        let now = now.duration_since(UNIX_EPOCH).unwrap().as_secs();
        self.totp.generate(now).to_string()
    }

    /// A code that is wrong now and in the periods around it.
    fn wrong_code(&self) -> String {
        let right: Vec<String> = (0..4).map(|periods| self.code(periods)).collect();
        let all = (0..1_000_000).map(|code| format!("{code:06}"));
        all.skip(17).find(|code| !right.contains(code)).unwrap()
    }

    /// A browser in which alice has given her password.
    fn half_done(&self) -> Browser {
        let mut browser = self.server.browser();
        let reply = log_in(&mut browser, "alice", "wonderland");
        assert_eq!((reply.status, &*reply.location), (303, "/login/code"));
        browser
    }
}

fn log_in(browser: &mut Browser, name: &str, password: &str) -> Reply {
    browser.post("/login", &[("name", name), ("password", password)])
}

fn enter(browser: &mut Browser, code: &str) -> Reply {
    browser.post("/login/code", &[("code", code)])
}

fn is_in(browser: &mut Browser) -> bool {
    browser.get("/auth/session").status == 200
}

#[track_caller]
fn assert_nobody(browser: &mut Browser) {
    for (method, path) in PROTECTED {
        let reply = match method {
            "POST" => browser.post(path, &[("code", "000000")]),
            _ => browser.get(path),
        };
        // A step-up says that there is no credential to renew.
        let refused = if path == "/step-up" { 400 } else { 401 };
        assert_eq!(reply.status, refused, "{method} {path}: {}", reply.body);
    }
}

#[test]
fn a_password_and_a_code_log_in_and_open_what_needs_a_code() {
    let example = Example::start();
    let mut browser = example.half_done();
    let reply = enter(&mut browser, &example.code(0));
    assert_eq!((reply.status, &*reply.location), (303, "/"));
    assert!(is_in(&mut browser));
    assert!(!browser.cookies.keys().any(|name| name.contains("pending")));
    assert_eq!(browser.post("/transfer", &[]).body, "transferred\n");
    assert_eq!(browser.post("/logout", &[]).status, 303);
    assert_nobody(&mut browser);
}

#[test]
fn a_user_without_an_authenticator_is_in_with_the_password_and_may_do_less() {
    let example = Example::start();
    let mut browser = example.server.browser();
    assert_eq!(log_in(&mut browser, "bob", "wonderland").location, "/");
    assert!(is_in(&mut browser));
    assert_eq!(browser.post("/transfer", &[]).status, 401);
}

#[test]
fn a_wrong_password_begins_nothing() {
    let example = Example::start();
    let mut browser = example.server.browser();
    for (name, password) in [("alice", "wrong"), ("bob", "wrong"), ("eve", "wonderland")] {
        assert_eq!(log_in(&mut browser, name, password).status, 401);
        assert!(browser.cookies.is_empty());
    }
}

#[test]
fn a_half_done_login_is_nobody_at_every_protected_route() {
    let example = Example::start();
    let mut browser = example.half_done();
    assert_nobody(&mut browser);
    // Nor is its cookie a session's under another name.
    let (_, pending) = browser.cookies.pop_first().unwrap();
    for name in ["session", "refresh"] {
        let name = format!("__Host-Http-{name}");
        browser.cookies = [(name, pending.clone())].into();
        assert_nobody(&mut browser);
    }
}

#[test]
fn a_code_is_accepted_once() {
    let example = Example::start();
    let (mut first, mut second) = (example.half_done(), example.half_done());
    let code = example.code(0);
    assert_eq!(enter(&mut first, &code).location, "/");
    assert_eq!(enter(&mut second, &code).location, "/login/code?failed");
    assert_nobody(&mut second);
    // Not in a step-up either, and the next one is.
    let mut step_up = |code: &str| first.post("/step-up", &[("code", code)]).status;
    assert_eq!(step_up(&code), 401);
    let next = example.code(1);
    assert_eq!(step_up(&next), 303);
    assert_eq!(step_up(&next), 401);
}

#[test]
fn of_many_logins_that_bring_the_same_code_at_once_one_is_in() {
    let example = Example::start();
    let code = example.code(0);
    let browsers: Vec<_> = (0..8).map(|_| example.half_done()).collect();
    let threads = browsers.into_iter().map(|mut browser| {
        let code = code.clone();
        std::thread::spawn(move || enter(&mut browser, &code).location == "/")
    });
    let threads: Vec<_> = threads.collect();
    let results = threads.into_iter().map(|thread| thread.join().unwrap());
    assert_eq!(results.filter(|is_in| *is_in).count(), 1);
}

#[test]
fn a_recovery_code_is_accepted_once() {
    let example = Example::start();
    let codes = &example.recovery_codes;
    assert_eq!(codes.len(), 8);
    let mut browser = example.half_done();
    assert_eq!(enter(&mut browser, &codes[3]).location, "/");
    assert!(is_in(&mut browser));
    let mut again = example.half_done();
    assert_eq!(enter(&mut again, &codes[3]).location, "/login/code?failed");
    assert_eq!(enter(&mut again, &codes[4]).location, "/");
}

#[test]
fn five_wrong_codes_end_the_login() {
    let example = Example::start();
    let mut browser = example.half_done();
    let wrong = example.wrong_code();
    for _ in 0..5 {
        assert_eq!(enter(&mut browser, &wrong).location, "/login/code?failed");
    }
    assert_eq!(enter(&mut browser, &example.code(0)).status, 401);
    assert_eq!(browser.get("/login/code").status, 401);
    assert_nobody(&mut browser);
    // Begun anew it goes on.
    let mut browser = example.half_done();
    assert_eq!(enter(&mut browser, &example.code(0)).location, "/");
}

#[test]
fn twenty_wrong_codes_in_any_number_of_logins_leave_only_recovery_codes() {
    let example = Example::start();
    let wrong = example.wrong_code();
    for _ in 0..4 {
        let mut browser = example.half_done();
        for _ in 0..5 {
            assert_eq!(enter(&mut browser, &wrong).location, "/login/code?failed");
        }
    }
    let mut browser = example.half_done();
    let right = example.code(0);
    assert_eq!(enter(&mut browser, &right).location, "/login/code?failed");
    let recovery = &example.recovery_codes[0];
    assert_eq!(enter(&mut browser, recovery).location, "/");
    let right = example.code(0);
    assert_eq!(browser.post("/step-up", &[("code", &right)]).status, 303);
}

#[test]
fn a_pending_login_that_moves_to_another_browser_is_refused() {
    let example = Example::start();
    let begun = example.half_done();
    let mut without = example.server.browser();
    assert_eq!(enter(&mut without, &example.code(0)).status, 401);
    let mut other = begun.clone();
    other.user_agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/140.0.0.0";
    assert_eq!(other.get("/login/code").status, 401);
    assert_eq!(enter(&mut other, &example.code(0)).status, 401);
    assert_nobody(&mut other);
    // None of it has used an attempt or the code up.
    let mut begun = begun;
    assert_eq!(enter(&mut begun, &example.code(0)).location, "/");
}

#[test]
fn a_session_that_was_planted_before_the_login_is_not_the_one_after_it() {
    let example = Example::start();
    let mut mallory = example.server.browser();
    log_in(&mut mallory, "bob", "wonderland");
    let mut alice = mallory.clone(); // with mallory's cookie
    log_in(&mut alice, "alice", "wonderland");
    assert_eq!(enter(&mut alice, &example.code(0)).location, "/");
    assert_ne!(alice.cookies, mallory.cookies);
    assert_nobody(&mut mallory);
    assert_eq!(alice.post("/transfer", &[]).status, 200); // it is hers, as bob has no code
}

#[test]
fn forms_of_other_sites_are_refused() {
    let example = Example::start();
    let mut browser = example.server.browser();
    browser.site = "cross-site";
    assert_eq!(log_in(&mut browser, "alice", "wonderland").status, 403);
    let mut browser = example.half_done();
    browser.site = "cross-site";
    assert_eq!(enter(&mut browser, &example.code(0)).status, 403);
    browser.site = "same-origin";
    assert_eq!(enter(&mut browser, &example.code(0)).location, "/");
    browser.site = "cross-site";
    let step_up = browser.post("/step-up", &[("code", &example.code(1))]);
    assert_eq!(step_up.status, 403);
}
