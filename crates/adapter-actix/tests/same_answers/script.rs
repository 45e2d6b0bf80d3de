//! What is asked of both servers, in this order.

use std::net::SocketAddr;
use std::time::Duration;

use token_session::test_util::TestClock;

use crate::OWN;
use crate::client::{Reply, send};

const JSON: (&str, &str) = ("Content-Type", "application/json");
const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const SAME: (&str, &str) = ("Sec-Fetch-Site", "same-origin");
const AGENT: (&str, &str) = (
    "User-Agent",
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
);

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
    let login = |transport: &str, more: &str| {
        format!(r#"{{"username":"alice","password":"wonderland","transport":"{transport}"{more}}}"#)
    };

    // Logins.
    let header = ask(
        200,
        "POST /auth/login",
        &[JSON, AGENT],
        &login("header", ""),
    );
    let by_cookie = ask(200, "POST /auth/login", &[JSON], &login("cookie", ""));
    let session = ask(
        200,
        "POST /auth/login",
        &[JSON, SAME],
        &login("session", r#","remember":true"#),
    );
    ask(
        401,
        "POST /auth/login",
        &[JSON],
        r#"{"username":"alice","password":"x"}"#,
    );
    ask(400, "POST /auth/login", &[JSON], "[]");
    ask(415, "POST /auth/login", &[FORM], "a=b");
    ask(413, "POST /auth/login", &[JSON], &"a".repeat(17_000));
    ask(
        403,
        "POST /auth/login",
        &[JSON, ("Sec-Fetch-Site", "cross-site")],
        &login("header", ""),
    );

    // Protected resources.
    let bearer = format!("Bearer {}", header.text("access_token"));
    let long = format!("Bearer {}", "a".repeat(8193));
    let cookie = session.cookie();
    let (bearer, cookie) = (("Authorization", &*bearer), ("Cookie", &*cookie));
    ask(200, "GET /me", &[bearer], "");
    ask(200, "GET /me", &[cookie], "");
    ask(200, "GET /me", &[cookie, bearer], "");
    ask(401, "GET /me", &[], "");
    for (status, authorization) in [
        (401, "Basic YTpi"),
        (400, "Bearer"),
        (400, "Bearer a b"),
        (401, "bearer a.b.c"),
        (401, &long),
    ] {
        ask(status, "GET /me", &[("Authorization", authorization)], "");
        ask(
            if status == 401 && authorization.starts_with("Basic") {
                200
            } else {
                status
            },
            "GET /guest",
            &[("Authorization", authorization)],
            "",
        );
    }
    ask(400, "GET /me", &[bearer, bearer], "");
    ask(400, "GET /me", &[cookie, cookie], "");
    ask(401, "GET /me", &[("Cookie", "__Host-Http-session=x")], "");
    ask(200, "GET /guest", &[], "");
    ask(200, "GET /guest", &[bearer], "");
    ask(200, "POST /me", &[cookie, SAME], "");
    ask(403, "POST /me", &[cookie], "");
    ask(
        403,
        "POST /me",
        &[cookie, ("Origin", "https://evil.example")],
        "",
    );
    ask(200, "POST /me", &[cookie, ("Origin", OWN)], "");
    let websocket = ("Upgrade", "websocket");
    ask(200, "GET /me", &[cookie, websocket, ("Origin", OWN)], "");
    ask(
        403,
        "GET /me",
        &[cookie, websocket, ("Origin", "https://evil.own.example")],
        "",
    );
    ask(200, "POST /notes", &[bearer], "");
    ask(403, "GET /reports", &[bearer], "");
    ask(200, "POST /transfer", &[bearer], "");

    // A rule that looks at claims.
    let (json, moderator) = (login("header", ""), login("session", ""));
    let token = ask(
        200,
        "POST /auth/login",
        &[JSON],
        &json.replace("alice", "moderator"),
    );
    let token = format!("Bearer {}", token.text("access_token"));
    let moderator = moderator.replace("alice", "moderator");
    let moderator = ask(200, "POST /auth/login", &[JSON], &moderator).cookie();
    ask(200, "POST /moderate", &[("Authorization", &token)], "");
    ask(200, "POST /moderate", &[("Cookie", &moderator), SAME], "");
    let refused = ask(403, "POST /moderate", &[bearer], "");
    assert_eq!(refused.body, r#"{"error":"forbidden"}"#);
    assert_eq!(
        ask(403, "POST /moderate", &[cookie, SAME], "").body,
        refused.body
    );

    // A role that is taken away is gone at once if the rule says so, and for a cookie in any case.
    let (token, moderator) = (("Authorization", &*token), ("Cookie", &*moderator));
    ask(200, "POST /moderate-now", &[token], "");
    ask(200, "POST /moderate-now", &[moderator, SAME], "");
    ask(200, "POST /demote", &[bearer], "");
    ask(200, "POST /moderate", &[token], "");
    for (path, credential) in [
        ("POST /moderate-now", token),
        ("POST /moderate-now", moderator),
        ("POST /moderate", moderator),
    ] {
        let reply = ask(403, path, &[credential, SAME], "");
        assert_eq!(reply.body, refused.body);
    }

    // Server sessions.
    ask(200, "POST /count", &[cookie, SAME], "");
    ask(200, "POST /count", &[cookie, SAME], "");
    ask(409, "POST /race", &[cookie, SAME], "");
    let reply = ask(200, "POST /count", &[cookie, SAME], "");
    assert_eq!(reply.body, "101");
    ask(401, "POST /count", &[bearer], "");
    ask(500, "GET /unlayered", &[cookie], "");

    clock.advance(Duration::from_secs(61));
    ask(401, "POST /transfer", &[bearer], "");
    let slid = ask(200, "GET /me", &[cookie], "");
    assert_eq!(
        format!("{}=", cookie.1.split('=').next().unwrap()),
        "__Host-Http-session="
    );
    assert_eq!(slid.cookie(), cookie.1);
    // What carries a cookie is for nobody else, whatever the handler says.
    let caching = ("cache-control".to_owned(), "private".to_owned());
    assert!(slid.fields.contains(&caching), "{slid:?}");
    clock.advance(Duration::from_secs(61));
    let page = ask(200, "GET /page", &[cookie], "");
    assert!(page.fields.contains(&caching), "{page:?}");
    let page = ask(200, "GET /page", &[cookie], "");
    assert!(!page.fields.contains(&caching), "{page:?}");
    // Nothing moved, and the handler says nothing of caching: the page is for this user alone. So is
    // one that a cookie was looked at for which is not valid.
    let same = ask(200, "GET /me", &[cookie], "");
    assert!(same.fields.contains(&caching), "{same:?}");
    assert!(!same.fields.iter().any(|(name, _)| name == "set-cookie"));
    let stale = ask(200, "GET /home", &[("Cookie", "__Host-Http-session=x")], "");
    assert!(stale.fields.contains(&caching) && stale.body == "guest");
    let guest = ask(200, "GET /home", &[], "");
    assert!(!guest.fields.contains(&caching), "{guest:?}");
    let other = ask(200, "GET /home", &[("Cookie", "a=b")], "");
    assert!(!other.fields.contains(&caching), "{other:?}");

    // Who only looks moves nothing.
    clock.advance(Duration::from_secs(61));
    let prefetch = ("Sec-Purpose", "prefetch;prerender");
    for (path, fields) in [
        ("GET /me", &[cookie, prefetch][..]),
        ("GET /look", &[cookie]),
        ("GET /auth/session", &[cookie]),
    ] {
        let reply = ask(200, path, fields, "");
        assert!(
            !reply.fields.iter().any(|(name, _)| name == "set-cookie"),
            "{path}"
        );
    }
    assert_eq!(ask(200, "GET /look", &[], "").body, "no");
    ask(401, "GET /look", &[("Cookie", "__Host-Http-session=x")], "");
    assert_eq!(ask(200, "GET /me", &[cookie], "").cookie(), cookie.1);

    // What a handler changed before it failed is not written.
    ask(500, "POST /fail", &[cookie, SAME], "");
    let reply = ask(200, "POST /count", &[cookie, SAME], "");
    assert_eq!(reply.body, "102");
    let reply = ask(200, "POST /update", &[cookie, SAME], "");
    assert_eq!(reply.body, "103");
    ask(200, "GET /auth/session", &[cookie], "");
    ask(200, "GET /auth/sessions", &[bearer], "");

    // A login and a logout by forms.
    let form = "name=alice&password=wonderland";
    let first = ask(303, "POST /form/login", &[FORM, SAME, AGENT], form).cookie();
    let opened = ask(
        303,
        "POST /form/login",
        &[FORM, SAME, ("Cookie", &first)],
        form,
    );
    let location = ("location".to_owned(), "/page".to_owned());
    assert!(opened.fields.contains(&location) && opened.body.is_empty());
    let opened = opened.cookie();
    // Nobody can be given a session beforehand.
    ask(401, "GET /page", &[("Cookie", &first)], "");
    ask(200, "GET /page", &[("Cookie", &opened)], "");
    ask(
        401,
        "POST /form/login",
        &[FORM, SAME],
        "name=alice&password=x",
    );
    ask(
        403,
        "POST /form/login",
        &[FORM, ("Sec-Fetch-Site", "cross-site")],
        form,
    );
    ask(403, "POST /form/logout", &[("Cookie", &opened)], "");
    ask(303, "POST /form/logout", &[("Cookie", &opened), SAME], "");
    ask(401, "GET /page", &[("Cookie", &opened)], "");
    ask(303, "POST /form/logout", &[], "");

    // A login that returns by `POST` from another site, in two steps.
    let foreign = ("Sec-Fetch-Site", "cross-site");
    let origin = ("Origin", "https://appleid.example");
    let returned = ask(
        303,
        "POST /return",
        &[FORM, foreign, origin],
        "code=x&state=a%26b",
    );
    let location = (
        "location".to_owned(),
        "/return?code=x&state=a%26b".to_owned(),
    );
    assert!(returned.fields.contains(&location), "{returned:?}");
    let opened = ask(303, "GET /return?code=x&state=a%26b", &[foreign], "");
    ask(200, "GET /page", &[("Cookie", &opened.cookie())], "");

    // Refresh.
    let body = format!(r#"{{"refresh_token":"{}"}}"#, header.text("refresh_token"));
    ask(200, "POST /auth/refresh", &[JSON], &body);
    ask(200, "POST /auth/refresh", &[JSON], &body);
    let refresh = by_cookie.cookie();
    let refresh = ("Cookie", &*refresh);
    let renewed = ask(200, "POST /auth/refresh", &[refresh, SAME], "");
    ask(403, "POST /auth/refresh", &[refresh], "");
    ask(400, "POST /auth/refresh", &[refresh, SAME, JSON], &body);
    ask(400, "POST /auth/refresh", &[], "");
    ask(
        400,
        "POST /auth/refresh",
        &[JSON],
        r#"{"refresh_token":"a.b.c"}"#,
    );
    ask(400, "POST /auth/refresh", &[FORM], "grant_type=password");
    ask(
        400,
        "POST /auth/refresh",
        &[FORM],
        &format!(
            "grant_type=refresh_token&refresh_token={}&scope=x",
            header.text("refresh_token")
        ),
    );
    ask(
        415,
        "POST /auth/refresh",
        &[("Content-Type", "text/plain")],
        "x",
    );
    ask(413, "POST /auth/refresh", &[JSON], &"a".repeat(17_000));
    ask(405, "GET /auth/refresh", &[], "");
    ask(405, "PUT /auth/sessions", &[], "");
    ask(404, "GET /auth/nothing", &[], "");
    // Escaped, which one framework decodes before it looks for the route, and the other does not.
    ask(404, "POST /auth/%6Cogout", &[bearer], "");
    ask(404, "GET /auth/%73ession", &[bearer], "");
    ask(
        404,
        "GET /.well-known/oauth-authorization%2Dserver",
        &[],
        "",
    );
    ask(404, "GET /.well-known/jwks%2Ejson", &[], "");
    ask(404, "DELETE /auth/session%73/x", &[bearer], "");
    ask(404, "DELETE /auth/sessions/%78", &[bearer], "");

    // Step-up and change of password.
    ask(
        401,
        "POST /auth/step-up",
        &[JSON, cookie, SAME],
        r#"{"password":"x"}"#,
    );
    let stepped = ask(
        200,
        "POST /auth/step-up",
        &[JSON, cookie, SAME],
        r#"{"password":"wonderland"}"#,
    );
    ask(401, "GET /me", &[cookie], "");
    let cookie = stepped.cookie();
    let cookie = ("Cookie", &*cookie);
    ask(200, "POST /transfer", &[cookie, SAME], "");

    // Public documents.
    let keys = ask(200, "GET /.well-known/jwks.json", &[], "");
    let etag = keys.fields.iter().find(|(name, _)| name == "etag").unwrap();
    ask(
        304,
        "GET /.well-known/jwks.json",
        &[("If-None-Match", &etag.1)],
        "",
    );
    ask(200, "HEAD /.well-known/jwks.json", &[], "");
    ask(200, "GET /.well-known/oauth-authorization-server", &[], "");

    // Introspection and revocation.
    let key = ("Authorization", "Bearer the-key-of-a-resource-server");
    let token = format!("token={}", header.text("access_token"));
    ask(200, "POST /auth/introspect", &[FORM, key], &token);
    ask(401, "POST /auth/introspect", &[FORM], &token);
    ask(200, "POST /auth/revoke", &[FORM], &token);
    ask(200, "POST /auth/introspect", &[FORM, key], &token);
    ask(401, "GET /me", &[bearer], "");
    ask(400, "POST /auth/refresh", &[JSON], &body);

    // Ends.
    let path = format!("DELETE /auth/sessions/{}", by_cookie.text("session_id"));
    ask(204, &path, &[cookie, SAME], "");
    ask(404, &path, &[cookie, SAME], "");
    ask(403, &path, &[cookie], "");
    let renewed = renewed.cookie();
    ask(400, "POST /auth/refresh", &[("Cookie", &renewed), SAME], "");
    ask(400, "DELETE /auth/sessions?keep=x", &[cookie, SAME], "");
    ask(
        204,
        "DELETE /auth/sessions?keep=current",
        &[cookie, SAME],
        "",
    );
    let changed = ask(
        200,
        "POST /auth/password",
        &[JSON, cookie, SAME],
        r#"{"password":"wonderland","new_password":"mirror"}"#,
    );
    let changed = changed.cookie();
    ask(204, "POST /auth/logout", &[("Cookie", &changed), SAME], "");
    ask(401, "GET /me", &[("Cookie", &changed)], "");
    ask(204, "POST /auth/logout", &[], "");

    // A logout by cookie, whatever its body is.
    for (media_type, body) in [
        ("text/plain;charset=UTF-8", "bye"),
        ("application/json", "null"),
        ("application/json", r#"{"refresh_token":null}"#),
        ("application/json", &"x".repeat(17_000)),
    ] {
        let opened = ask(200, "POST /auth/login", &[JSON], &login("session", "")).cookie();
        let cookie = ("Cookie", &*opened);
        let fields = [("Content-Type", media_type), cookie, SAME];
        ask(204, "POST /auth/logout", &fields, body);
        ask(401, "GET /me", &[cookie], "");
    }

    // A logout by a link: the proof of a form, and no cookie is deleted if none came.
    let opened = ask(200, "POST /auth/login", &[JSON], &login("session", "")).cookie();
    let cookie = ("Cookie", &*opened);
    ask(403, "GET /form/logout", &[cookie], "");
    let foreign = ("Sec-Fetch-Site", "cross-site");
    ask(403, "GET /form/logout", &[cookie, foreign], "");
    let reply = ask(303, "GET /form/logout", &[foreign], "");
    assert!(!reply.fields.iter().any(|(name, _)| name == "set-cookie"));
    ask(200, "GET /me", &[cookie], "");
    ask(303, "GET /form/logout", &[cookie, SAME], "");
    ask(401, "GET /me", &[cookie], "");
    replies
}
