//! An answer that comes after the browser was given another cookie must not put the old one back.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use token_session::test_util::TestClock;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::client::{Reply, send};

static ARRIVED: Semaphore = Semaphore::const_new(0);
static MAY_GO: Semaphore = Semaphore::const_new(0);

/// The handler of `GET /held`: waits until the test lets it answer.
pub(crate) async fn held() -> &'static str {
    ARRIVED.add_permits(1);
    MAY_GO.acquire().await.expect("it is never closed").forget();
    "held"
}

const JSON: (&str, &str) = ("Content-Type", "application/json");
const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const SAME: (&str, &str) = ("Sec-Fetch-Site", "same-origin");

/// What happens while the first request is on its way: method and path, content type, body.
const MEANWHILE: [(&str, (&str, &str), &str); 4] = [
    ("POST /auth/step-up", JSON, r#"{"password":"wonderland"}"#),
    (
        "POST /auth/password",
        JSON,
        r#"{"password":"wonderland","new_password":"mirror"}"#,
    ),
    (
        "POST /auth/login",
        JSON,
        r#"{"username":"bob","password":"wonderland","transport":"session","remember":true}"#,
    ),
    ("POST /form/logout", FORM, ""),
];

pub(crate) fn run(server: SocketAddr, clock: &TestClock) -> Vec<(String, Reply)> {
    let mut replies = Vec::new();
    for remember in [false, true] {
        for (line, kind, body) in MEANWHILE {
            let cookie = login(server, remember);
            let late = overtake(server, clock, &cookie, || {
                let (method, path) = line.split_once(' ').unwrap();
                let fields = [kind, SAME, ("Cookie", &*cookie)];
                let reply = send(server, method, path, &fields, body);
                assert!(reply.status < 400, "{line}: {reply:?}");
            });
            assert_eq!(late.status, 200, "{line}: {late:?}");
            assert!(!sets_cookie(&late), "{line}, {remember}: {late:?}");
            replies.push((format!("GET /held during {line}, {remember}"), late));
        }
    }
    // Only what a browser forgets by itself is sent again, if nothing has replaced it.
    for remember in [false, true] {
        let cookie = login(server, remember);
        let late = overtake(server, clock, &cookie, || ());
        assert_eq!(sets_cookie(&late), remember, "{late:?}");
        replies.push((format!("GET /held, {remember}"), late));
    }
    replies
}

/// The answer to `POST /auth/refresh` reaches the browser after that to a step-up, a change of password or a
/// login as somebody else, so the browser keeps the cookie which that answer sets.
pub(crate) fn refreshes(server: SocketAddr, clock: &TestClock) -> Vec<(String, Reply)> {
    let mut replies = Vec::new();
    let mut post = |expected: u16, path: &str, body: &str, cookie: &str| {
        let reply = send(
            server,
            "POST",
            path,
            &[JSON, SAME, ("Cookie", cookie)],
            body,
        );
        assert_eq!(reply.status, expected, "{path}: {reply:?}");
        replies.push((path.to_owned(), reply.clone()));
        reply
    };
    let [(step_up, _, step_up_body), (password, _, password_body), ..] = MEANWHILE;
    for (path, body) in [(step_up, step_up_body), (password, password_body)] {
        let path = path.trim_start_matches("POST ");
        for seconds in [0, 334] {
            let old = post(200, "/auth/login", &by_cookie("alice"), "").cookie();
            let late = post(200, "/auth/refresh", "", &old).cookie();
            let newer = post(200, path, body, &old).cookie();
            assert_ne!(late, newer);
            // A refresh that was on its way to the server for longer sets nothing.
            let refused = post(400, "/auth/refresh", "", &old);
            assert_revoked(&refused);

            clock.advance(Duration::from_secs(seconds));
            assert_revoked(&post(400, "/auth/refresh", "", &late));
            // The session lives: for a tab that has the newer cookie, and for the user who repeats the request.
            assert_eq!(post(200, path, body, &late).cookie(), newer);
            post(200, "/auth/refresh", "", &newer);
        }
    }

    for seconds in [0, 334] {
        let old = post(200, "/auth/login", &by_cookie("alice"), "").cookie();
        let late = post(200, "/auth/refresh", "", &old).cookie();
        let bobs = post(200, "/auth/login", &by_cookie("bob"), &old).cookie();
        assert_revoked(&post(400, "/auth/refresh", "", &old));
        clock.advance(Duration::from_secs(seconds));
        // The session of the late answer has ended: it does not make bob's browser alice's.
        assert_revoked(&post(400, "/auth/refresh", "", &late));
        let bobs = post(200, "/auth/refresh", "", &bobs).cookie();
        // It costs one login, which does not end the session that the browser has lost sight of.
        post(200, "/auth/login", &by_cookie("bob"), &late);
        clock.advance(Duration::from_secs(46));
        post(200, "/auth/refresh", "", &bobs);
    }
    replies
}

fn by_cookie(username: &str) -> String {
    format!(r#"{{"username":"{username}","password":"wonderland","transport":"cookie"}}"#)
}

/// The answer says that the cookie was replaced, and neither sets nor deletes one.
#[track_caller]
fn assert_revoked(reply: &Reply) {
    let [error, reason] = ["error", "reason"].map(|name| reply.text(name));
    assert_eq!((&*error, &*reason), ("invalid_grant", "revoked"));
    assert!(!sets_cookie(reply), "{reply:?}");
}

fn login(server: SocketAddr, remember: bool) -> String {
    let body = format!(
        r#"{{"username":"alice","password":"wonderland","transport":"session","remember":{remember}}}"#
    );
    send(server, "POST", "/auth/login", &[JSON, SAME], &body).cookie()
}

fn sets_cookie(reply: &Reply) -> bool {
    reply.fields.iter().any(|(name, _)| name == "set-cookie")
}

/// The answer to a request with `cookie` which moves the deadline, and is answered after `meanwhile`.
fn overtake(
    server: SocketAddr,
    clock: &TestClock,
    cookie: &str,
    meanwhile: impl FnOnce(),
) -> Reply {
    clock.advance(Duration::from_secs(61));
    thread::scope(|scope| {
        let late = scope.spawn(|| send(server, "GET", "/held", &[("Cookie", cookie)], ""));
        while ARRIVED.try_acquire().map(SemaphorePermit::forget).is_err() {
            assert!(!late.is_finished(), "{:?}", late.join());
            thread::sleep(Duration::from_millis(1));
        }
        meanwhile();
        MAY_GO.add_permits(1);
        late.join().unwrap()
    })
}
