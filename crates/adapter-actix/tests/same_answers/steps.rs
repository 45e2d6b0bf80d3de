//! What is asked of both servers about logins in steps, and logins by way of another site.

use std::net::SocketAddr;
use std::time::Duration;

use token_session::test_util::TestClock;

use crate::client::{Reply, send};

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("Content-Type", "application/json");
const SAME: (&str, &str) = ("Sec-Fetch-Site", "same-origin");
const FOREIGN: (&str, &str) = ("Sec-Fetch-Site", "cross-site");
const AGENT: (&str, &str) = (
    "User-Agent",
    "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0",
);
const OTHER_AGENT: (&str, &str) = ("User-Agent", "Mozilla/5.0 (Macintosh) Safari/605.1.15");
const ALICE: &str = "name=alice&password=wonderland";
const RIGHT: &str = "method=otp&code=123456";
const WRONG: &str = "method=otp&code=0";
const PENDING: &str = "__Host-Http-pending";

/// The `Set-Cookie` fields of an answer.
fn set(reply: &Reply) -> Vec<&str> {
    let fields = reply.fields.iter();
    let set = fields.filter(|(name, _)| name == "set-cookie");
    set.map(|(_, value)| &**value).collect()
}

/// `name=value` of the cookie with this name.
fn cookie(reply: &Reply, name: &str) -> String {
    let set = set(reply).into_iter();
    let mut pairs = set.map(|field| field.split(';').next().unwrap());
    let pair = pairs.find(|pair| pair.split('=').next() == Some(name));
    pair.expect(name).to_owned()
}

fn location(reply: &Reply) -> &str {
    let field = reply.fields.iter().find(|(name, _)| name == "location");
    &field.expect("a redirect").1
}

/// Goes to another site, and gives the values that it takes along: `state`, `nonce`, `code_challenge`.
fn depart(
    ask: &mut impl FnMut(u16, &str, &[(&str, &str)], &str) -> Reply,
    next: &str,
    cookies: &[(&str, &str)],
) -> (Reply, [String; 3]) {
    let reply = ask(200, &format!("GET /depart?next={next}"), cookies, "");
    let mut values = reply.body.split(' ').map(str::to_owned);
    let values: [String; 3] = std::array::from_fn(|_| values.next().unwrap());
    assert!(values.iter().all(|value| value.len() == 43), "{values:?}");
    (reply, values)
}

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

    // The first step opens nothing.
    ask(
        401,
        "POST /steps/first",
        &[FORM, SAME, AGENT],
        "name=alice&password=x",
    );
    ask(403, "POST /steps/first", &[FORM, FOREIGN, AGENT], ALICE);
    ask(
        500,
        "POST /steps/first",
        &[FORM, SAME],
        "name=carol&password=wonderland",
    );
    let begun = ask(303, "POST /steps/first", &[FORM, SAME, AGENT], ALICE);
    assert_eq!(location(&begun), "/steps");
    let pending = cookie(&begun, PENDING);
    assert_eq!(
        set(&begun),
        [format!(
            "{pending}; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=600; Priority=High"
        )]
    );
    let half = ("Cookie", &*pending);
    let seen = ask(200, "GET /steps", &[half, AGENT], "");
    assert_eq!(seen.body, "alice otp 5");

    // It opens no route, under its own name and under every other, as if nobody were there.
    let value = pending.split_once('=').unwrap().1;
    let named = ["session", "refresh", "visitor"].map(|name| format!("__Host-Http-{name}={value}"));
    let bearer = format!("Bearer {value}");
    let made_up = "A".repeat(value.len());
    let made_up = [
        format!("__Host-Http-session={made_up}"),
        format!("__Host-Http-refresh={made_up}"),
        format!("__Host-Http-visitor={made_up}"),
    ];
    for line in [
        "GET /me",
        "POST /me",
        "GET /page",
        "GET /nested/me",
        "GET /guest",
        "GET /home",
        "GET /look",
        "GET /welcome",
        "GET /bought",
        "GET /amr",
        "GET /reports",
        "POST /notes",
        "POST /transfer",
        "POST /count",
        "POST /update",
        "GET /auth/session",
        "GET /auth/sessions",
        "DELETE /auth/sessions",
        "POST /auth/refresh",
        "POST /auth/logout",
        "GET /basket",
    ] {
        let (method, path) = line.split_once(' ').unwrap();
        let nobody = send(server, method, path, &[SAME, AGENT], "");
        let own = ask(nobody.status, line, &[SAME, AGENT, half], "");
        assert_eq!(own, nobody, "{line}");
        for (named, made_up) in named.iter().zip(&made_up) {
            let with = |cookie| send(server, method, path, &[SAME, AGENT, ("Cookie", cookie)], "");
            assert_eq!(with(named), with(made_up), "{line} {named}");
        }
        assert_ne!(nobody.body, "alice");
    }
    ask(401, "GET /me", &[("Authorization", &bearer)], "");
    let password = r#"{"password":"wonderland"}"#;
    for cookie in named.iter().chain([&pending]) {
        ask(
            400,
            "POST /auth/step-up",
            &[JSON, SAME, AGENT, ("Cookie", cookie)],
            password,
        );
    }
    // Neither the logout above nor anything else has ended it.
    assert_eq!(
        ask(200, "GET /steps", &[half, AGENT], "").body,
        "alice otp 5"
    );

    // Another browser cannot go on with it: without its cookie, and with a copy of it.
    ask(401, "GET /steps", &[AGENT], "");
    ask(401, "POST /steps", &[FORM, SAME, AGENT], RIGHT);
    ask(401, "POST /steps", &[FORM, SAME, OTHER_AGENT, half], RIGHT);
    ask(401, "POST /steps", &[FORM, SAME, half], RIGHT);
    let made_up = format!("{PENDING}=x");
    ask(
        401,
        "POST /steps",
        &[FORM, SAME, AGENT, ("Cookie", &made_up)],
        RIGHT,
    );
    let twice = format!("{pending}; {pending}");
    ask(
        401,
        "POST /steps",
        &[FORM, SAME, AGENT, ("Cookie", &twice)],
        RIGHT,
    );
    ask(403, "POST /steps", &[FORM, FOREIGN, AGENT, half], RIGHT);
    // Nothing proves that the request comes from a page of the site.
    ask(403, "POST /steps", &[FORM, AGENT, half], RIGHT);
    // None of these has counted. A method that is not missing proves nothing either.
    ask(
        401,
        "POST /steps",
        &[FORM, SAME, AGENT, half],
        "method=hwk&code=123456",
    );
    ask(401, "POST /steps", &[FORM, SAME, AGENT, half], WRONG);
    assert_eq!(
        ask(200, "GET /steps", &[half, AGENT], "").body,
        "alice otp 4"
    );

    // The last proof opens a session with both methods, once.
    let login = ask(303, "POST /steps", &[FORM, SAME, AGENT, half], RIGHT);
    assert_eq!(location(&login), "/page");
    let session = cookie(&login, "__Host-Http-session");
    assert!(!session.contains(value));
    assert!(set(&login).contains(
        &"__Host-Http-pending=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0; Priority=High"
    ));
    let amr = ask(200, "GET /amr", &[("Cookie", &session)], "");
    assert_eq!(amr.body, "pwd otp after otp notes:write");
    ask(401, "POST /steps", &[FORM, SAME, AGENT, half], RIGHT);
    ask(401, "GET /steps", &[half, AGENT], "");

    // Two further steps, in any order, each once.
    let begun = ask(
        200,
        "POST /steps/first",
        &[FORM, SAME, AGENT],
        "name=bob&password=wonderland",
    );
    assert_eq!(begun.body, r#"{"pending":["otp","hwk"],"expires_in":600}"#);
    let pending = cookie(&begun, PENDING);
    let half = ("Cookie", &*pending);
    let key = "method=hwk&code=123456";
    let more = ask(303, "POST /steps", &[FORM, SAME, AGENT, half], key);
    assert!(location(&more) == "/steps" && set(&more).is_empty());
    ask(401, "GET /amr", &[half, AGENT], "");
    ask(401, "POST /steps", &[FORM, SAME, AGENT, half], key);
    assert_eq!(ask(200, "GET /steps", &[half, AGENT], "").body, "bob otp 4");
    let login = ask(303, "POST /steps", &[FORM, SAME, AGENT, half], RIGHT);
    let session = cookie(&login, "__Host-Http-session");
    let amr = ask(200, "GET /amr", &[("Cookie", &session)], "");
    assert_eq!(amr.body, "pwd hwk otp after otp notes:write");

    // After five attempts it is used up, also for the right proof; after ten minutes it has expired; and
    // a user can give it up.
    let mut begin = || {
        let begun = ask(303, "POST /steps/first", &[FORM, SAME, AGENT], ALICE);
        cookie(&begun, PENDING)
    };
    let (guessed, late, given_up) = (begin(), begin(), begin());
    let guessed = ("Cookie", &*guessed);
    for _ in 0..5 {
        ask(401, "POST /steps", &[FORM, SAME, AGENT, guessed], WRONG);
    }
    ask(401, "POST /steps", &[FORM, SAME, AGENT, guessed], RIGHT);
    let given_up = ("Cookie", &*given_up);
    let reply = ask(303, "POST /steps/cancel", &[SAME, AGENT, given_up], "");
    assert!(location(&reply) == "/login" && set(&reply).len() == 1);
    ask(401, "POST /steps", &[FORM, SAME, AGENT, given_up], RIGHT);
    clock.advance(Duration::from_secs(599));
    ask(200, "GET /steps", &[AGENT, ("Cookie", &late)], "");
    clock.advance(Duration::from_secs(1));
    ask(401, "GET /steps", &[AGENT, ("Cookie", &late)], "");
    // Log out everywhere ends what has begun, too: the login opens nothing.
    let json = r#"{"username":"alice","password":"wonderland","transport":"session"}"#;
    let other = ask(200, "POST /auth/login", &[JSON], json).cookie();
    let pending = cookie(
        &ask(303, "POST /steps/first", &[FORM, SAME, AGENT], ALICE),
        PENDING,
    );
    ask(
        204,
        "DELETE /auth/sessions",
        &[SAME, ("Cookie", &other)],
        "",
    );
    let half = ("Cookie", &*pending);
    ask(503, "POST /steps", &[FORM, SAME, AGENT, half], RIGHT);

    // A login by way of another site. A path that leaves this one is refused before it begins.
    for next in [
        "https://evil.example",
        "//evil.example",
        "/%5Cevil.example",
        "/%09/evil.example",
        "notes",
        "",
        "%2F%2Fevil.example",
        "javascript:alert(1)",
    ] {
        let reply = ask(400, &format!("GET /depart?next={next}"), &[], "");
        assert!(set(&reply).is_empty(), "{reply:?}");
    }
    let (reply, [state, nonce, challenge]) = depart(&mut ask, "/notes?page=2", &[]);
    let own = cookie(&reply, "__Host-Http-visitor");
    let own = ("Cookie", &*own);
    assert!(state != nonce && nonce != challenge);
    let (reply, [foreign_state, ..]) = depart(&mut ask, "/", &[]);
    let stranger = cookie(&reply, "__Host-Http-visitor");
    let stranger = ("Cookie", &*stranger);
    let (_, [second_state, ..]) = depart(&mut ask, "/second", &[own]);
    assert!(foreign_state != state && second_state != state);
    // The state of another visitor, of nobody, and one that was made up.
    let back = |state: &str| format!("GET /arrive?code=x&state={state}");
    ask(403, &back(&foreign_state), &[own, FOREIGN], "");
    ask(403, &back(&state), &[stranger, FOREIGN], "");
    ask(403, &back(&state), &[FOREIGN], "");
    ask(403, &back(&nonce), &[own, FOREIGN], "");
    ask(403, &back(""), &[own, FOREIGN], "");
    // Its own, in the browser that has gone, once. The login ends the visitor's session.
    let login = ask(303, &back(&state), &[own, FOREIGN], "");
    assert_eq!(location(&login), "/notes?page=2");
    assert!(
        set(&login)
            .iter()
            .any(|field| field.starts_with("__Host-Http-session="))
    );
    ask(403, &back(&state), &[own, FOREIGN], "");
    ask(403, &back(&second_state), &[own, FOREIGN], "");
    // Three may wait; the oldest gives way. Each waits ten minutes.
    let states = [1, 2, 3, 4].map(|number| {
        let (_, [state, ..]) = depart(&mut ask, &format!("/{number}"), &[stranger]);
        state
    });
    ask(403, &back(&foreign_state), &[stranger, FOREIGN], "");
    ask(403, &back(&states[0]), &[stranger, FOREIGN], "");
    clock.advance(Duration::from_secs(600));
    ask(403, &back(&states[3]), &[stranger, FOREIGN], "");
    replies
}
