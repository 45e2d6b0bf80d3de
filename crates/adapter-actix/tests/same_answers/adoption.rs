//! What is asked of both servers about sessions and tokens of the system that was used before.

mod renewals;
mod rows;

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use token_core::{Algorithm, Policy, Subject};
use token_http::adopt::{
    Adoption, JwtReader, OldCookie, OldRequest, OldSession, OldUser, ReadError, Reader, Reading,
};
use token_http::{Auth, AuthConfig};
use token_session::clock::Clock as _;
use token_session::test_util::{SeededEntropy, TestClock, TestManager};
use token_session::visitor::KeptData;
use token_session::{MemoryStore, NewSession};

use crate::OWN;
use crate::client::{Reply, send};

pub(crate) use renewals::renewals;
pub(crate) use rows::rows;

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("Content-Type", "application/json");
const SAME: (&str, &str) = ("Sec-Fetch-Site", "same-origin");
const FOREIGN: (&str, &str) = ("Sec-Fetch-Site", "cross-site");
const SESSION: &str = "__Host-Http-session=";
const DELETED: &str = "sid=; HttpOnly; Path=/; Max-Age=0";
const SECRET: &[u8] = b"an old secret";

/// How long old sessions are adopted, and how long each of them lives, in seconds.
const PERIOD: u64 = 10_000;
const LIFETIME: u64 = 1000;

/// How long a store may take, the old one as ours.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often the reader was asked.
static ASKED: AtomicU64 = AtomicU64::new(0);

/// The rows that were deleted from the store of the old system.
static GONE: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn gone() -> Vec<String> {
    GONE.lock().unwrap().clone()
}

/// Reads `sid=USER.NUMBER`.
struct Sid;

impl Reader for Sid {
    fn name(&self) -> &'static str {
        "sid"
    }

    fn cookies(&self) -> Vec<OldCookie> {
        vec![OldCookie::new("sid")]
    }

    async fn read(&self, request: &OldRequest) -> Result<Reading, ReadError> {
        ASKED.fetch_add(1, Ordering::SeqCst);
        let Some(sid) = request.cookie("sid") else {
            return Ok(Reading::Absent);
        };
        if sid == "hangs" {
            std::future::pending::<()>().await;
        }
        let (user, _) = sid.split_once('.').ok_or("the old store is away")?;
        if user == "dead" || gone().iter().any(|row| row == sid) {
            return Ok(Reading::Dead("the password was changed".into()));
        }
        if user == "unknown" {
            return Ok(Reading::Unknown("it is under another key".into()));
        }
        let session = NewSession {
            kept: KeptData::new(r#"{"basket":["hat"]}"#).unwrap(),
            ..NewSession::default()
        };
        let lifetime = if user == "expired" { 0 } else { LIFETIME };
        let session = OldSession::new(Subject::new(user)?, sid, session);
        let end = request.at() + Duration::from_secs(lifetime);
        Ok(Reading::Live(session.ends_at(end).stored_under(sid)))
    }
}

/// Deletes a row. The first time it cannot delete that of `stuck`.
async fn delete(row: String) -> Result<(), ReadError> {
    static STUCK: AtomicU64 = AtomicU64::new(0);
    if row.starts_with("stuck.") && STUCK.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) {
        return Err("the old store is away".into());
    }
    GONE.lock().unwrap().push(row);
    Ok(())
}

pub(crate) fn application() -> (Auth, TestClock) {
    adopting(Adoption::of(Sid))
}

/// The same that deletes what it has adopted from the old store.
pub(crate) fn deleting() -> (Auth, TestClock) {
    GONE.lock().unwrap().clear();
    adopting(Adoption::of(Sid).delete_old(delete))
}

fn adopting(sid: Adoption) -> (Auth, TestClock) {
    let until = TestClock::new().now() + Duration::from_secs(PERIOD);
    let policy = Policy::builder().adopts_until(until).build().unwrap();
    let store = MemoryStore::new(1000, &[7; 32]);
    let TestManager { manager, clock } = TestManager::with_store(store, policy, |builder| {
        builder
            .entropy(SeededEntropy::new(1))
            .store_timeout(PATIENCE)
    });
    let jwt = JwtReader::secret(SECRET, Algorithm::HS256, async |claims| {
        let user = claims.get("sub").and_then(|sub| sub.as_str());
        let user = user.filter(|user| *user != "gone");
        let user = user.and_then(|user| Subject::new(user).ok());
        Ok(user.map(OldUser::new))
    });
    let config = AuthConfig::builder(OWN.parse().unwrap())
        .adopt(sid.trust_sister_hosts().remember(true))
        .adopt(Adoption::of(jwt.unwrap()))
        .build()
        .unwrap();
    (Auth::new(manager, config), clock)
}

/// The `Set-Cookie` fields of an answer.
fn set(reply: &Reply) -> Vec<&str> {
    let fields = reply.fields.iter();
    let set = fields.filter(|(name, _)| name == "set-cookie");
    set.map(|(_, value)| &**value).collect()
}

/// Our cookie of an answer that also deletes the old one.
fn taken_over(reply: &Reply) -> String {
    let set = set(reply);
    assert_eq!(set.len(), 2, "{reply:?}");
    assert!(set.contains(&DELETED), "{reply:?}");
    let mut own = set.iter().filter(|field| field.starts_with(SESSION));
    let own = own.next().expect("our cookie");
    own.split(';').next().unwrap().to_owned()
}

#[expect(clippy::too_many_lines, reason = "a script is read from top to bottom")]
pub(crate) fn cookies(server: SocketAddr, clock: &TestClock) -> Vec<(String, Reply)> {
    let mut replies = Vec::new();
    let mut ask = |expected: u16, line: &str, fields: &[(&str, &str)], body: &str| {
        let (method, path) = line.split_once(' ').unwrap();
        let reply = send(server, method, path, fields, body);
        assert_eq!(reply.status, expected, "{line} {fields:?}: {reply:?}");
        replies.push((format!("{line} {fields:?}"), reply.clone()));
        reply
    };
    let old = |value: &'static str| ("Cookie", value);

    // In the first request already the user is logged in, and our cookie goes out with its answer.
    let first = ask(200, "GET /me", &[old("sid=bob.1")], "");
    assert!(first.body.starts_with("bob "), "{first:?}");
    let own = taken_over(&first);
    // As the old cookie did, it outlives the browser.
    let lives_on = |field: &&str| field.starts_with(SESSION) && field.contains("Max-Age=1000;");
    assert!(set(&first).iter().any(lives_on), "{first:?}");
    let private = ("cache-control".to_owned(), "private".to_owned());
    assert!(first.fields.contains(&private), "{first:?}");
    // Its answer was lost.
    for path in [
        "/me",
        "/page",
        "/auth/session",
        "/look",
        "/welcome",
        "/bought",
    ] {
        let again = ask(200, &format!("GET {path}"), &[old("sid=bob.1")], "");
        assert_eq!(taken_over(&again), own, "{path}");
    }
    let again = ask(200, "GET /me", &[("Cookie", &own)], "");
    assert_eq!((&again.body, set(&again).len()), (&first.body, 0));
    let data = ask(200, "GET /bought", &[("Cookie", &own)], "");
    assert_eq!(data.body, r#"["hat"] None"#);
    ask(500, "GET /unlayered", &[old("sid=bob.1")], "");

    // Many tabs at once.
    let tabs = std::thread::scope(|scope| {
        let tab = || send(server, "GET", "/me", &[old("sid=bob.2")], "");
        let tabs: Vec<_> = (0..16).map(|_| scope.spawn(tab)).collect();
        let answers = tabs.into_iter().map(|tab| tab.join().unwrap());
        answers.collect::<Vec<_>>()
    });
    let one = taken_over(&tabs[0]);
    assert_ne!(one, own);
    for tab in &tabs {
        assert_eq!((tab.status, &tab.body), (200, &tabs[0].body));
        assert_eq!(taken_over(tab), one);
    }
    ask(200, "GET /me", &[("Cookie", &one)], "");

    // A request with a cookie of ours adopts nothing, whether or not ours is good.
    let asked = ASKED.load(Ordering::SeqCst);
    let both = format!("{own}; sid=carol.1");
    let reply = ask(200, "GET /me", &[("Cookie", &both)], "");
    assert_eq!((&reply.body, set(&reply).len()), (&first.body, 0));
    for dead in [
        "__Host-Http-session=x; sid=carol.1",
        "__Host-Http-refresh=x; sid=carol.1",
    ] {
        let reply = ask(401, "GET /me", &[("Cookie", dead)], "");
        assert!(set(&reply).is_empty(), "{reply:?}");
    }
    // Other sites cannot use it, also if they have planted it.
    for line in ["POST /me", "POST /auth/logout", "POST /form/login"] {
        let reply = ask(
            403,
            line,
            &[FORM, FOREIGN, old("sid=carol.1")],
            "name=a&password=b",
        );
        assert!(set(&reply).is_empty(), "{reply:?}");
        ask(403, line, &[FORM, old("sid=carol.1")], "name=a&password=b");
    }
    assert_eq!(ASKED.load(Ordering::SeqCst), asked);
    let reply = ask(200, "POST /me", &[SAME, old("sid=carol.1")], "");
    assert!(reply.body.starts_with("carol "), "{reply:?}");
    let carol = taken_over(&reply);

    // What is not good is nobody's, and deleted. It is kept if that cannot be known, or if it came twice.
    for dead in ["sid=dead.1", "sid=expired.1"] {
        let reply = ask(401, "GET /me", &[old(dead)], "");
        assert_eq!(set(&reply), [DELETED], "{dead}");
        let reply = ask(200, "GET /welcome", &[old(dead)], "");
        assert_eq!((&*reply.body, set(&reply)), ("guest", vec![DELETED]));
    }
    let away = ask(503, "GET /me", &[old("sid=away")], "");
    assert!(set(&away).is_empty(), "{away:?}");
    let unknown = ask(401, "GET /me", &[old("sid=unknown.1")], "");
    assert!(set(&unknown).is_empty(), "{unknown:?}");
    let unknown = ask(200, "GET /welcome", &[old("sid=unknown.1")], "");
    assert_eq!((&*unknown.body, set(&unknown).len()), ("guest", 0));
    let twice = ask(401, "GET /me", &[old("sid=bob.1; sid=bob.3")], "");
    assert!(set(&twice).is_empty(), "{twice:?}");
    ask(401, "GET /me", &[old("sid2=bob.1")], "");

    // A logout wins over the old cookie, whether or not that was ever seen.
    ask(204, "POST /auth/logout", &[SAME, ("Cookie", &own)], "");
    let again = ask(401, "GET /me", &[old("sid=bob.1")], "");
    assert_eq!(set(&again), [DELETED]);
    let logout = ask(204, "POST /auth/logout", &[SAME, old("sid=bob.4")], "");
    assert!(
        set(&logout).contains(&DELETED) && set(&logout).len() == 3,
        "{logout:?}"
    );
    ask(401, "GET /me", &[old("sid=bob.4")], "");
    let logout = ask(303, "GET /form/logout", &[SAME, old("sid=bob.5")], "");
    assert!(set(&logout).contains(&DELETED), "{logout:?}");
    ask(401, "GET /me", &[old("sid=bob.5")], "");
    // A logout with both ends both.
    let one_and_old = format!("{one}; sid=bob.6");
    ask(
        204,
        "POST /auth/logout",
        &[SAME, ("Cookie", &one_and_old)],
        "",
    );
    for gone in [&*one, "sid=bob.2", "sid=bob.6"] {
        ask(401, "GET /me", &[("Cookie", gone)], "");
    }

    // Of a cookie that comes several times each session is ended. The one that is away keeps no other alive.
    let twice = old("sid=bob.7; sid=bob.8");
    let logout = ask(204, "POST /auth/logout", &[SAME, twice], "");
    assert!(set(&logout).contains(&DELETED), "{logout:?}");
    let away = old("sid=away; sid=bob.9");
    // One of both is ended, so it is not said that nothing was done.
    ask(504, "POST /auth/logout", &[SAME, away], "");
    let many = old("sid=bob.10; sid=unknown.1; sid=unknown.1; sid=unknown.1; sid=bob.11");
    let logout = ask(400, "POST /auth/logout", &[SAME, many], "");
    assert!(set(&logout).is_empty(), "{logout:?}");
    let right = "name=alice&password=wonderland";
    let twice = old("sid=alice.7; sid=alice.8");
    taken_over(&ask(303, "POST /form/login", &[FORM, SAME, twice], right));
    for gone in [
        "sid=bob.7",
        "sid=bob.8",
        "sid=bob.9",
        "sid=bob.10",
        "sid=alice.7",
        "sid=alice.8",
    ] {
        ask(401, "GET /me", &[old(gone)], "");
    }

    // So does a login, and a user who may not log in keeps the old session.
    let wrong = "name=alice&password=x";
    ask(
        401,
        "POST /form/login",
        &[FORM, SAME, old("sid=alice.1")],
        wrong,
    );
    let login = ask(
        303,
        "POST /form/login",
        &[FORM, SAME, old("sid=alice.1")],
        right,
    );
    let alice = taken_over(&login);
    // A logout must not be believed as long as the old store is away. A login need not wait for it.
    ask(503, "POST /auth/logout", &[SAME, old("sid=away")], "");
    let login = ask(
        303,
        "POST /form/login",
        &[FORM, SAME, old("sid=away")],
        right,
    );
    taken_over(&login);
    // One that gives no answer has the time that a store of ours has.
    let asked_at = Instant::now();
    let hangs = old("sid=hangs");
    taken_over(&ask(303, "POST /form/login", &[FORM, SAME, hangs], right));
    ask(503, "GET /me", &[hangs], "");
    assert!(asked_at.elapsed() < PATIENCE * 10);
    ask(401, "GET /me", &[old("sid=alice.1")], "");
    // It ends with the old one.
    let short = taken_over(&ask(200, "GET /me", &[old("sid=alice.2")], ""));
    clock.advance(Duration::from_secs(LIFETIME - 1));
    ask(200, "GET /me", &[("Cookie", &short)], "");
    clock.advance(Duration::from_secs(1));
    ask(401, "GET /me", &[("Cookie", &short)], "");
    ask(401, "GET /me", &[old("sid=alice.2")], "");
    ask(401, "GET /me", &[("Cookie", &carol)], "");
    // Of when the user authenticated nothing is known.
    ask(401, "POST /transfer", &[SAME, old("sid=alice.3")], "");
    // A change of password ends those that were never seen.
    let change = "old=wonderland&new=mirror";
    ask(
        303,
        "POST /form/password",
        &[FORM, SAME, ("Cookie", &alice)],
        change,
    );
    for unseen in ["sid=alice.3", "sid=alice.4"] {
        let reply = ask(401, "GET /me", &[old(unseen)], "");
        assert_eq!(set(&reply), [DELETED]);
    }

    // After the period nobody is asked.
    clock.advance(Duration::from_secs(PERIOD));
    let asked = ASKED.load(Ordering::SeqCst);
    let reply = ask(401, "GET /me", &[old("sid=bob.7")], "");
    assert!(set(&reply).is_empty(), "{reply:?}");
    ask(204, "POST /auth/logout", &[SAME, old("sid=bob.7")], "");
    assert_eq!(ASKED.load(Ordering::SeqCst), asked);
    replies
}

/// A token of the old system.
fn token(header: &str, claims: &serde_json::Value, secret: &[u8]) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let signed = format!("{}.{}", encode(header), encode(&claims.to_string()));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let tag = hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

#[expect(clippy::too_many_lines, reason = "a script is read from top to bottom")]
pub(crate) fn tokens(server: SocketAddr, clock: &TestClock) -> Vec<(String, Reply)> {
    let mut replies = Vec::new();
    let mut ask = |expected: u16, line: &str, fields: &[(&str, &str)], body: &str| {
        let (method, path) = line.split_once(' ').unwrap();
        let reply = send(server, method, path, fields, body);
        assert_eq!(
            reply.status, expected,
            "{line} {fields:?} {body}: {reply:?}"
        );
        replies.push((format!("{line} {fields:?}"), reply.clone()));
        reply
    };
    let now = clock.now().as_secs();
    let header = r#"{"alg":"HS256","typ":"JWT"}"#;
    let claims = json!({ "sub": "bob", "iat": now - 60, "exp": now + LIFETIME });
    let old = token(header, &claims, SECRET);
    let bearer = format!("Bearer {old}");
    let bearer = ("Authorization", &*bearer);

    // A client that knows nothing of the move goes on, in one session.
    let first = ask(200, "GET /me", &[bearer], "");
    assert!(
        first.body.starts_with("bob ") && set(&first).is_empty(),
        "{first:?}"
    );
    assert_eq!(ask(200, "GET /me", &[bearer], "").body, first.body);
    assert_eq!(ask(200, "GET /guest", &[bearer], "").body, "bob");
    let session = ask(200, "GET /auth/session", &[bearer], "");
    let id = session.text("session_id");
    assert_eq!(first.body, format!("bob {id}"));

    // One that was updated exchanges it, and again if the answer was lost.
    let body = json!({ "refresh_token": old }).to_string();
    let pair = ask(200, "POST /auth/refresh", &[JSON], &body);
    assert_eq!(pair.text("session_id"), id);
    let again = ask(200, "POST /auth/refresh", &[JSON], &body);
    assert_eq!(pair.text("refresh_token"), again.text("refresh_token"));
    let form = format!("grant_type=refresh_token&refresh_token={old}");
    let again = ask(200, "POST /auth/refresh", &[FORM], &form);
    assert_eq!(pair.text("refresh_token"), again.text("refresh_token"));
    let access = format!("Bearer {}", pair.text("access_token"));
    assert_eq!(
        ask(200, "GET /me", &[("Authorization", &access)], "").body,
        first.body
    );
    // Once the pair was renewed the old token is worth nothing.
    clock.advance(Duration::from_secs(60));
    let refresh = json!({ "refresh_token": pair.text("refresh_token") }).to_string();
    let next = ask(200, "POST /auth/refresh", &[JSON], &refresh);
    ask(401, "GET /me", &[bearer], "");
    ask(400, "POST /auth/refresh", &[JSON], &body);
    let access = format!("Bearer {}", next.text("access_token"));
    ask(200, "GET /me", &[("Authorization", &access)], "");

    // What is not good is refused like any other token.
    let garbage = ask(401, "GET /me", &[("Authorization", "Bearer a.b.c")], "");
    let refused = ask(
        400,
        "POST /auth/refresh",
        &[JSON],
        r#"{"refresh_token":"a.b.c"}"#,
    );
    let with = |name: &str, value: serde_json::Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        claims
    };
    let mut endless = claims.clone();
    endless.as_object_mut().unwrap().remove("exp");
    let other = |name: &str| header.replace("HS256", name);
    let genuine = token(header, &with("jti", json!(7)), SECRET);
    let (signed, signature) = genuine.rsplit_once('.').unwrap();
    for (why, wrong) in [
        ("expired", token(header, &with("exp", json!(now)), SECRET)),
        ("no exp", token(header, &endless, SECRET)),
        (
            "not yet",
            token(header, &with("nbf", json!(now + 600)), SECRET),
        ),
        ("gone", token(header, &with("sub", json!("gone")), SECRET)),
        ("other key", token(header, &claims, b"another secret")),
        ("other algorithm", token(&other("HS384"), &claims, SECRET)),
        (
            "none",
            format!(
                "{}.",
                token(&other("none"), &claims, SECRET)
                    .rsplit_once('.')
                    .unwrap()
                    .0
            ),
        ),
        (
            "crit",
            token(r#"{"alg":"HS256","crit":["x"]}"#, &claims, SECRET),
        ),
        (
            "ours",
            token(r#"{"alg":"HS256","typ":"at+jwt"}"#, &claims, SECRET),
        ),
        (
            "tampered",
            format!("{}x.{signature}", &signed[..signed.len() - 1]),
        ),
    ] {
        let bearer = format!("Bearer {wrong}");
        let reply = ask(401, "GET /me", &[("Authorization", &bearer)], "");
        assert_eq!(reply, garbage, "{why}");
        let body = json!({ "refresh_token": wrong }).to_string();
        let reply = ask(400, "POST /auth/refresh", &[JSON], &body);
        assert_eq!(reply, refused, "{why}");
    }
    let genuine = format!("Bearer {genuine}");
    let genuine = ("Authorization", &*genuine);
    ask(200, "GET /me", &[genuine], "");
    // A logout wins.
    ask(204, "POST /auth/logout", &[genuine], "");
    ask(401, "GET /me", &[genuine], "");

    // When the user authenticated is what the token says of it, and not when it was made.
    for (expected, auth_time) in [(401, None), (200, Some(0)), (401, Some(3600))] {
        let now = clock.now().as_secs();
        let mut claims = json!({ "sub": "carol", "iat": now, "exp": now + LIFETIME });
        if let Some(ago) = auth_time {
            claims["auth_time"] = json!(now - ago);
        }
        let bearer = format!("Bearer {}", token(header, &claims, SECRET));
        let reply = ask(
            expected,
            "POST /transfer",
            &[("Authorization", &bearer)],
            "",
        );
        if expected == 401 {
            let challenge = "insufficient_user_authentication";
            assert!(format!("{reply:?}").contains(challenge), "{reply:?}");
        }
    }

    // After the period it is a token of somebody else's.
    clock.advance(Duration::from_secs(PERIOD));
    let late = with("exp", json!(now + 100 * PERIOD));
    let late = format!("Bearer {}", token(header, &late, SECRET));
    ask(401, "GET /me", &[("Authorization", &late)], "");
    replies
}
