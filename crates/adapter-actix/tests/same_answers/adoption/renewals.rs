//! A session that is adopted by a step-up or a change of password.

use std::net::SocketAddr;

use serde_json::json;
use token_session::clock::Clock as _;
use token_session::test_util::TestClock;

use super::{DELETED, FOREIGN, FORM, JSON, LIFETIME, SAME, SECRET, set, taken_over, token};
use crate::client::{Reply, send};

/// A step-up and a change of password as the very first request of an old session.
#[expect(clippy::too_many_lines, reason = "a script is read from top to bottom")]
pub(crate) fn renewals(server: SocketAddr, clock: &TestClock) -> Vec<(String, Reply)> {
    let mut replies = Vec::new();
    let mut ask = |expected: u16, line: &str, fields: &[(&str, &str)], body: &str| {
        let (method, path) = line.split_once(' ').unwrap();
        let reply = send(server, method, path, fields, body);
        assert_eq!(reply.status, expected, "{line} {fields:?}: {reply:?}");
        replies.push((format!("{line} {fields:?}"), reply.clone()));
        reply
    };
    let old = |value: &'static str| ("Cookie", value);
    let (right, wrong) = (r#"{"password":"wonderland"}"#, r#"{"password":"x"}"#);
    let (code, wrong_code) = ("code=123456", "code=1");
    let change = r#"{"password":"wonderland","new_password":"mirror"}"#;

    // With a wrong proof nothing has changed, and nothing goes out.
    for (line, kind, body) in [
        ("POST /auth/step-up", JSON, wrong),
        ("POST /form/step-up", FORM, wrong_code),
        ("POST /form/password", FORM, "old=x&new=mirror"),
    ] {
        let reply = ask(401, line, &[kind, SAME, old("sid=bob.1")], body);
        assert!(set(&reply).is_empty(), "{reply:?}");
    }
    // Another site cannot use it, and what is not good is none.
    for (line, kind, body) in [
        ("POST /auth/step-up", JSON, right),
        ("POST /form/step-up", FORM, code),
        ("POST /auth/password", JSON, change),
        ("POST /form/password", FORM, "old=wonderland&new=mirror"),
    ] {
        ask(403, line, &[kind, FOREIGN, old("sid=bob.1")], body);
        ask(503, line, &[kind, SAME, old("sid=away")], body);
        for refused in ["sid=dead.1", "sid=unknown.1", "sid=bob.1; sid=bob.2", "x=y"] {
            ask(400, line, &[kind, SAME, old(refused)], body);
        }
        // A cookie of ours, good or not, adopts nothing.
        let both = ("Cookie", "__Host-Http-session=x; sid=bob.1");
        ask(400, line, &[kind, SAME, both], body);
    }

    let json = [JSON, SAME, old("sid=bob.1")];
    let own = taken_over(&ask(200, "POST /auth/step-up", &json, right));
    let me = ask(200, "GET /me", &[("Cookie", &own)], "");
    assert!(me.body.starts_with("bob "), "{me:?}");
    ask(200, "POST /transfer", &[SAME, ("Cookie", &own)], "");
    let again = ask(401, "GET /me", &[old("sid=bob.1")], "");
    assert_eq!(set(&again), [DELETED]);
    let form = [FORM, SAME, old("sid=bob.2")];
    let own = taken_over(&ask(303, "POST /form/step-up", &form, code));
    ask(200, "GET /me", &[("Cookie", &own)], "");

    // The change of a password ends the other sessions, seen or not.
    for (line, kind, body, expected, [first, other]) in [
        (
            "POST /auth/password",
            JSON,
            change,
            200,
            ["sid=carol.1", "sid=carol.2"],
        ),
        (
            "POST /form/password",
            FORM,
            "old=wonderland&new=mirror",
            303,
            ["sid=dora.1", "sid=dora.2"],
        ),
    ] {
        let seen = taken_over(&ask(200, "GET /me", &[old(other)], ""));
        let own = taken_over(&ask(expected, line, &[kind, SAME, old(first)], body));
        ask(200, "GET /me", &[("Cookie", &own)], "");
        ask(401, "GET /me", &[("Cookie", &seen)], "");
        for gone in [first, other] {
            ask(401, "GET /me", &[old(gone)], "");
        }
    }

    // An old token counts in the place of a refresh token, and so it does where it was sent before.
    let now = clock.now().as_secs();
    let claims = |number: u64| json!({ "sub": "erin", "exp": now + LIFETIME, "jti": number });
    let token = |number| token(r#"{"alg":"HS256"}"#, &claims(number), SECRET);
    for (line, mut body) in [
        ("POST /auth/step-up", json!({ "password": "wonderland" })),
        (
            "POST /auth/password",
            json!({ "password": "wonderland", "new_password": "mirror" }),
        ),
    ] {
        let sent = token(1);
        let bearer = format!("Bearer {sent}");
        let bearer = ("Authorization", &*bearer);
        let pair = if line.ends_with("step-up") {
            body["refresh_token"] = json!(sent);
            ask(200, line, &[JSON], &body.to_string())
        } else {
            let sent = format!("Bearer {}", token(2));
            ask(
                200,
                line,
                &[JSON, ("Authorization", &sent)],
                &body.to_string(),
            )
        };
        let access = format!("Bearer {}", pair.text("access_token"));
        let me = ask(200, "GET /me", &[("Authorization", &access)], "");
        assert!(me.body.starts_with("erin "), "{me:?}");
        ask(401, "GET /me", &[bearer], "");
        body["refresh_token"] = json!("a.b.c");
        ask(400, line, &[JSON], &body.to_string());
    }
    replies
}
