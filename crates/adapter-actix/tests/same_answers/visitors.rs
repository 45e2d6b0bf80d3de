//! What is asked of both servers about visitors: browsers of which nobody knows whose they are.

use std::net::SocketAddr;
use std::time::Duration;

use token_session::test_util::TestClock;

use crate::client::{Reply, send};

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const TEXT: (&str, &str) = ("Content-Type", "text/plain");
const SAME: (&str, &str) = ("Sec-Fetch-Site", "same-origin");
const FOREIGN: (&str, &str) = ("Sec-Fetch-Site", "cross-site");
const PAGE: (&str, &str) = ("Sec-Fetch-Dest", "document");
const LOGIN: &str = "name=alice&password=wonderland";

/// The `Set-Cookie` fields of an answer.
fn set(reply: &Reply) -> Vec<&str> {
    let fields = reply.fields.iter();
    let set = fields.filter(|(name, _)| name == "set-cookie");
    set.map(|(_, value)| &**value).collect()
}

/// `name=value` of the one cookie with this name.
fn cookie(reply: &Reply, name: &str) -> String {
    let set = set(reply).into_iter();
    let pairs = set.map(|field| field.split(';').next().unwrap());
    let mut pairs = pairs.filter(|pair| pair.split('=').next() == Some(name));
    let pair = pairs.next().expect(name).to_owned();
    assert_eq!(pairs.next(), None);
    pair
}

const VISITOR: &str = "__Host-Http-visitor";
const SESSION: &str = "__Host-Http-session";

/// Runs it and gives every answer with what was asked.
#[expect(clippy::too_many_lines, reason = "a script is read from top to bottom")]
pub(crate) fn run(server: SocketAddr, clock: &TestClock) -> Vec<(String, Reply)> {
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
    let private = ("cache-control".to_owned(), "private".to_owned());

    // Nothing is stored, so there is no cookie.
    for line in ["GET /idle", "POST /idle", "GET /basket", "GET /flash"] {
        let reply = ask(200, line, &[], "");
        assert!(set(&reply).is_empty(), "{line}: {reply:?}");
        assert!(reply.fields.contains(&private), "{reply:?}");
    }
    ask(500, "GET /unlayered/visitor", &[], "");
    // A page of another site cannot have anything stored, with a cookie or without.
    ask(403, "POST /basket", &[TEXT, FOREIGN], "hat");

    // From the first thing that is stored there is one, and it is set once.
    let first = ask(200, "POST /basket", &[TEXT, SAME], "hat");
    let own = cookie(&first, VISITOR);
    assert_eq!(
        set(&first),
        [format!(
            "{own}; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=86400; Priority=High"
        )]
    );
    assert!(first.fields.contains(&private), "{first:?}");
    let own = ("Cookie", &*own);
    let second = ask(200, "POST /basket", &[TEXT, SAME, own], "rabbit");
    assert_eq!((&*second.body, set(&second).len()), ("hat rabbit", 0));
    assert_eq!(ask(200, "GET /basket", &[own], "").body, "hat rabbit");
    ask(403, "POST /basket", &[TEXT, own], "tea");
    ask(403, "POST /basket", &[TEXT, FOREIGN, own], "tea");
    // More than 4 KiB is refused, and what was there stays.
    ask(413, "POST /basket", &[TEXT, SAME, own], &"x".repeat(5000));
    ask(500, "POST /basket/fail", &[TEXT, SAME, own], "gone");
    assert_eq!(ask(200, "GET /basket", &[own], "").body, "hat rabbit");
    // Another browser has another basket.
    let other = ask(200, "POST /basket", &[TEXT, SAME], "clock");
    let other = cookie(&other, VISITOR);
    assert_ne!(other, own.1);
    assert_eq!(
        ask(200, "GET /basket", &[("Cookie", &other)], "").body,
        "clock"
    );

    // A cookie that is not ours, and two of them, count as none; what is stored then is a new session.
    let twice = format!("{other}; {}", own.1);
    for planted in ["__Host-Http-visitor=x", &twice] {
        let planted = ("Cookie", planted);
        assert_eq!(ask(200, "GET /basket", &[planted], "").body, "");
        let reply = ask(200, "POST /basket", &[TEXT, SAME, planted], "tea");
        let new = cookie(&reply, VISITOR);
        assert!(reply.body == "tea" && new != own.1 && new != other);
    }

    // Messages for the next page, which are given once.
    let said = ask(200, "POST /flash", &[TEXT, SAME], "hello");
    let listener = cookie(&said, VISITOR);
    let listener = ("Cookie", &*listener);
    ask(200, "POST /flash", &[TEXT, SAME, listener], "again");
    assert_eq!(ask(200, "GET /flash", &[listener], "").body, "hello again");
    assert_eq!(ask(200, "GET /flash", &[listener], "").body, "");

    // Nobody is logged in with it, under its own name and under every other.
    let value = own.1.split_once('=').unwrap().1;
    let as_session = format!("{SESSION}={value}");
    let as_refresh = format!("__Host-Http-refresh={value}");
    let bearer = format!("Bearer {value}");
    let nobody = ask(401, "GET /me", &[], "");
    let made_up = ask(
        401,
        "GET /me",
        &[("Cookie", &format!("{SESSION}={}", "A".repeat(67)))],
        "",
    );
    assert_eq!(ask(401, "GET /me", &[own], ""), nobody);
    assert_eq!(ask(401, "GET /me", &[("Cookie", &as_session)], ""), made_up);
    for path in [
        "/me",
        "/page",
        "/look",
        "/auth/session",
        "/auth/sessions",
        "/bought",
    ] {
        ask(401, &format!("GET {path}"), &[("Cookie", &as_session)], "");
    }
    ask(401, "GET /me", &[("Authorization", &bearer)], "");
    let json = ("Content-Type", "application/json");
    let step = r#"{"password":"wonderland"}"#;
    for (name, cookie) in [
        ("own", own.1),
        ("session", &as_session),
        ("refresh", &as_refresh),
    ] {
        let cookie = ("Cookie", cookie);
        let refused = ask(400, "POST /auth/step-up", &[json, SAME, cookie], step);
        assert!(!refused.body.contains("access_token"), "{name}");
        ask(400, "POST /auth/refresh", &[SAME, cookie], "");
    }
    // A logout by it ends nothing.
    ask(
        204,
        "POST /auth/logout",
        &[SAME, ("Cookie", &as_session)],
        "",
    );
    assert_eq!(ask(200, "GET /basket", &[own], "").body, "hat rabbit");
    let key = ("Authorization", "Bearer the-key-of-a-resource-server");
    let asked = ask(
        200,
        "POST /auth/introspect",
        &[FORM, key],
        &format!("token={value}"),
    );
    assert_eq!(asked.body, r#"{"active":false}"#);
    ask(200, "POST /auth/revoke", &[FORM], &format!("token={value}"));
    assert_eq!(ask(200, "GET /basket", &[own], "").body, "hat rabbit");

    // Nothing proves that the login comes from a page of the site.
    ask(403, "POST /checkout", &[FORM, own], LOGIN);
    // A wrong password changes nothing.
    ask(
        401,
        "POST /checkout",
        &[FORM, SAME, own],
        "name=alice&password=x",
    );
    assert_eq!(ask(200, "GET /basket", &[own], "").body, "hat rabbit");
    // A login copies what is named, under a new id and a new credential, and ends the visitor's session.
    let login = ask(303, "POST /checkout", &[FORM, SAME, own], LOGIN);
    let session = cookie(&login, SESSION);
    assert!(!session.contains(value));
    assert!(set(&login).contains(
        &"__Host-Http-visitor=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0; Priority=High"
    ));
    let session = ("Cookie", &*session);
    let bought = ask(200, "GET /bought", &[session], "");
    assert_eq!(bought.body, r#"["hat", "rabbit"] None"#);
    // What was known before the login, also to somebody who planted it, is worth nothing after it.
    assert_eq!(ask(200, "GET /basket", &[own], "").body, "");
    ask(401, "GET /me", &[("Cookie", &as_session)], "");
    let lists = ask(200, "GET /auth/sessions", &[session], "");
    assert_eq!(lists.body.matches("session_id").count(), 1, "{lists:?}");
    // A login that names nothing copies nothing, and ends the visitor's session all the same.
    let clock_owner = ("Cookie", &*other);
    let login = ask(303, "POST /form/login", &[FORM, SAME, clock_owner], LOGIN);
    let plain = cookie(&login, SESSION);
    assert_eq!(
        ask(200, "GET /bought", &[("Cookie", &plain)], "").body,
        "[] None"
    );
    assert_eq!(ask(200, "GET /basket", &[clock_owner], "").body, "");

    // A guest page and an old cookie. It is deleted if the user opens a page.
    let deleted =
        "__Host-Http-session=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0; Priority=High";
    ask(204, "POST /auth/logout", &[SAME, session], "");
    let made_up = format!("{SESSION}=x");
    for dead in [session.1, &made_up] {
        let dead = ("Cookie", dead);
        for fields in [&[dead][..], &[dead, ("Sec-Fetch-Dest", "empty")]] {
            let reply = ask(200, "GET /welcome", fields, "");
            assert!(reply.body == "guest" && set(&reply).is_empty(), "{reply:?}");
        }
        let page = ask(200, "GET /welcome", &[dead, PAGE], "");
        assert!(page.body == "guest" && set(&page) == [deleted], "{page:?}");
        assert!(page.fields.contains(&private), "{page:?}");
        let ahead = ask(
            200,
            "GET /welcome",
            &[dead, PAGE, ("Sec-Purpose", "prefetch")],
            "",
        );
        assert!(set(&ahead).is_empty(), "{ahead:?}");
        ask(403, "POST /welcome", &[dead, PAGE, FOREIGN], "");
        ask(401, "GET /me", &[dead, PAGE], "");
    }
    let live = ask(200, "GET /welcome", &[("Cookie", &plain), PAGE], "");
    assert!(live.body == "alice" && set(&live).is_empty(), "{live:?}");
    // A cookie that a newer one of this browser has replaced is no valid one, and stays: its deletion would be
    // of the newer one, if that has come meanwhile.
    let stepped = ask(
        200,
        "POST /auth/step-up",
        &[
            ("Content-Type", "application/json"),
            SAME,
            ("Cookie", &plain),
        ],
        r#"{"password":"wonderland"}"#,
    );
    let stepped = cookie(&stepped, SESSION);
    let again = ask(
        303,
        "POST /form/login",
        &[FORM, SAME, ("Cookie", &stepped)],
        LOGIN,
    );
    assert!(!cookie(&again, SESSION).is_empty());
    for (old, why) in [(&plain, "superseded"), (&stepped, "replaced by a login")] {
        let page = ask(200, "GET /welcome", &[("Cookie", old), PAGE], "");
        assert!(
            page.body == "guest" && set(&page).is_empty(),
            "{why}: {page:?}"
        );
    }

    for (authorization, body) in [
        ("Bearer a.b.c", "guest"),
        ("Bearer", "guest"),
        ("Basic x", "guest"),
    ] {
        let reply = ask(
            200,
            "GET /welcome",
            &[("Authorization", authorization), PAGE],
            "",
        );
        assert!(reply.body == body && set(&reply).is_empty(), "{reply:?}");
    }

    // It lives for its lifetime, used or not.
    let late = cookie(&ask(200, "POST /basket", &[TEXT, SAME], "late"), VISITOR);
    let late = ("Cookie", &*late);
    clock.advance(Duration::from_secs(86_399));
    assert_eq!(ask(200, "GET /basket", &[late], "").body, "late");
    clock.advance(Duration::from_secs(1));
    assert_eq!(ask(200, "GET /basket", &[late], "").body, "");
    let again = ask(200, "POST /basket", &[TEXT, SAME, late], "again");
    assert!(again.body == "again" && cookie(&again, VISITOR) != late.1);
    replies
}
