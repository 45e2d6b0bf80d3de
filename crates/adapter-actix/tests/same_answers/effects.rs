//! The answer to a login or a logout is sent, whatever else fails at the end of its request.

use std::net::SocketAddr;
use std::time::Duration;

use token_session::test_util::TestClock;

use crate::client::{Reply, send};

const JSON: (&str, &str) = ("Content-Type", "application/json");
const SAME: (&str, &str) = ("Sec-Fetch-Site", "same-origin");

/// The `Set-Cookie` fields of an answer.
fn set(reply: &Reply) -> Vec<&str> {
    let fields = reply.fields.iter();
    let set = fields.filter(|(name, _)| name == "set-cookie");
    set.map(|(_, value)| &**value).collect()
}

/// Runs it and gives every answer with what was asked.
pub(crate) fn run(server: SocketAddr, clock: &TestClock) -> Vec<(String, Reply)> {
    let mut replies = Vec::new();
    let mut ask = |expected: u16, line: &str, fields: &[(&str, &str)], body: &str| {
        let (method, path) = line.split_once(' ').unwrap();
        let reply = send(server, method, path, fields, body);
        assert_eq!(reply.status, expected, "{line} {fields:?}: {reply:?}");
        replies.push((format!("{line} {fields:?}"), reply.clone()));
        reply
    };
    let body =
        r#"{"username":"alice","password":"wonderland","transport":"session","remember":true}"#;

    // The session has ended when its data should be written.
    let cookie = ask(200, "POST /auth/login", &[JSON, SAME], body).cookie();
    let left = ask(303, "POST /leave", &[SAME, ("Cookie", &cookie)], "");
    assert!(
        set(&left).iter().any(|field| field.contains("Max-Age=0")),
        "{left:?}"
    );
    ask(401, "GET /me", &[("Cookie", &cookie)], "");

    let old = ask(200, "POST /auth/login", &[JSON, SAME], body).cookie();
    let opened = ask(303, "POST /enter", &[SAME, ("Cookie", &old)], "").cookie();
    ask(401, "GET /me", &[("Cookie", &old)], "");
    ask(200, "GET /me", &[("Cookie", &opened)], "");

    // Who ends their own session by its route is not given its cookie again.
    let cookie = ask(200, "POST /auth/login", &[JSON, SAME], body).cookie();
    clock.advance(Duration::from_secs(61));
    let ended = ask(
        204,
        "DELETE /auth/sessions",
        &[SAME, ("Cookie", &cookie)],
        "",
    );
    assert!(set(&ended).is_empty(), "{ended:?}");

    // A refusal by a middleware inside is an answer as well.
    let cookie = ask(200, "POST /auth/login", &[JSON, SAME], body).cookie();
    clock.advance(Duration::from_secs(61));
    let refused = ask(403, "GET /guarded", &[("Cookie", &cookie)], "");
    assert_eq!(refused.cookie(), cookie);

    // A name that no user can have is a name that is not known.
    let reserved = r#"{"username":"urn:hallpass:visitor:x","password":"wonderland"}"#;
    ask(401, "POST /auth/login", &[JSON], reserved);
    replies
}
