//! Cookies: as a browser sends them, and as no browser would.

use http::Method;
use serde_json::json;

use super::pass;
use crate::browser::{Browser, Transport};
use crate::client::Client;
use crate::reply::Reply;
use crate::server::Server;

const DAY: u64 = 86_400;
const OWN_PAGE: (&str, &str) = ("sec-fetch-site", "same-origin");

/// `__Host-Http-`, `HttpOnly`, `Secure`, `SameSite`, `Path=/`, no `Domain`; and a `Max-Age` only if
/// the user asked to be remembered. A logout deletes cookies with the same attributes.
pub fn cookies_have_the_attributes_of_the_contract(program: &str) {
    let (server, _files) = Server::start(program, &[]);
    for (transport, name, same_site) in [
        (Transport::Cookie, "__Host-Http-refresh", "Strict"),
        (Transport::Session, "__Host-Http-session", "Lax"),
    ] {
        for remember in [false, true] {
            let mut browser = Browser::new(&server.client(), transport);
            let login = browser.login("alice", "wonderland", remember);
            let cookie = browser.cookie(name).expect("the jar has it");
            assert_eq!(cookie.http_only(), Some(true));
            assert_eq!(cookie.secure(), Some(true));
            assert_eq!(cookie.same_site().unwrap().to_string(), same_site);
            assert_eq!((cookie.domain(), cookie.path()), (None, Some("/")));
            assert_eq!(cookie.max_age().is_some(), remember);
            if let Some(max_age) = cookie.max_age() {
                assert_eq!(max_age.whole_days(), 90);
            }
            assert_eq!(cookie.is_persistent(), remember);
            assert!(cookie.expires_datetime().is_none(), "Max-Age says it all");

            let planted = set_cookies(&login);
            assert_eq!(planted.len(), 1, "{planted:?}");
            let logout = browser.logout();
            assert!(browser.cookie(name).is_none(), "the jar deletes it");
            let deleted = set_cookies(&logout);
            let (_, attributes) = planted[0].split_once("; ").unwrap();
            // Chromium evicts by it if a site has too many cookies.
            let attributes = attributes.strip_suffix("; Priority=High").unwrap();
            let attributes = attributes.split("; Max-Age").next().unwrap();
            let expected = format!("{name}=; {attributes}; Max-Age=0; Priority=High");
            assert!(deleted.contains(&expected), "{deleted:?}");
        }
    }
    let header = Browser::new(&server.client(), Transport::Header).login("bob", "builder", true);
    assert_eq!(header.header("set-cookie"), "");
}

/// `Max-Age` is as long as the server honours the cookie, but at most what browsers keep.
pub fn remembered_cookies_last_as_long_as_the_session(program: &str) {
    for (idle, absolute, expected) in [("2d", "365d", 2), ("90d", "60d", 60), ("400d", "400d", 400)]
    {
        let flags = [
            "--idle",
            "1d",
            "--remember-idle",
            idle,
            "--absolute",
            absolute,
        ];
        let (server, _files) = Server::start(program, &flags);
        for (transport, name, member) in [
            (
                Transport::Cookie,
                "__Host-Http-refresh",
                "refresh_expires_in",
            ),
            (
                Transport::Session,
                "__Host-Http-session",
                "session_expires_in",
            ),
        ] {
            let mut browser = Browser::new(&server.client(), transport);
            let login = browser.login("bob", "builder", true);
            let max_age = browser.cookie(name).unwrap().max_age().unwrap();
            assert_eq!(max_age.whole_days(), expected);
            assert_eq!(login.json()[member], max_age.whole_seconds());
            let plain = browser.login("bob", "builder", false);
            assert_eq!(browser.cookie(name).unwrap().max_age(), None);
            assert_eq!(
                plain.json()[member],
                DAY,
                "the server's deadline holds in both"
            );
        }
    }
}

/// Use moves the deadline of a session cookie, at most once a touch interval. A cookie with a
/// `Max-Age` is sent again with the new one; any other has nothing to renew, and is not.
pub fn a_session_cookie_slides(program: &str) {
    let flags = ["--touch", "12s", "--remember-idle", "1h"];
    let (server, _files) = Server::start(program, &flags);
    let mut remembered = Browser::new(&server.client(), Transport::Session);
    let login = remembered.login("alice", "wonderland", true);
    let cookie = remembered.cookies();
    let reply = remembered.get("/api/me");
    assert_eq!(reply.header("set-cookie"), "", "too early");
    let mut plain = Browser::alice(&server.client(), Transport::Session);
    let reply = plain.get("/api/me");
    assert_eq!(reply.header("set-cookie"), "", "too early");
    pass(12.1);
    let reply = remembered.get("/api/me");
    assert!(
        reply.header("set-cookie").contains("; Max-Age=3600;"),
        "{reply:?}"
    );
    assert_eq!(remembered.cookies(), cookie, "the same value");
    let reply = remembered.get("/auth/session");
    assert_eq!(reply.header("set-cookie"), "", "once an interval");
    let moved = reply.json()["expires_at"].as_u64().unwrap();
    assert!(moved >= login.json()["session_expires_at"].as_u64().unwrap() + 12);
    let reply = plain.post("/api/notes");
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("set-cookie"), "", "no Max-Age to renew");
}

/// If two cookies have one name, neither counts, since one may be planted.
pub fn two_cookies_of_one_name_are_refused(program: &str) {
    let (server, _files) = Server::start(program, &[]);
    let client = server.client();
    for (transport, path, body) in [
        (Transport::Session, "/api/notes", None),
        (
            Transport::Session,
            "/auth/step-up",
            Some(r#"{"password":"wonderland"}"#),
        ),
        (Transport::Cookie, "/auth/refresh", None),
        (
            Transport::Cookie,
            "/auth/step-up",
            Some(r#"{"password":"wonderland"}"#),
        ),
    ] {
        let [one, two] = [(); 2].map(|()| Browser::alice(&client, transport).cookies());
        let name = one.split_once('=').unwrap().0;
        let [together, same, forged] =
            [two.as_str(), &one, &format!("{name}=x")].map(|other| format!("{one}; {other}"));
        for cookies in [
            vec![together.as_str()],
            vec![&same],
            vec![&forged],
            vec![&one, &two],
        ] {
            let mut headers: Vec<_> = cookies.iter().map(|text| ("cookie", *text)).collect();
            headers.push(OWN_PAGE);
            if body.is_some() {
                headers.push(("content-type", "application/json"));
            }
            let body = body.map(str::as_bytes);
            let reply = client.send(&Method::POST, path, &headers, body);
            reply.error(400, "invalid_request");
            assert_eq!(reply.header("set-cookie"), "");
        }
        // Both sessions go on. A logout, or a login, ends the session of each genuine cookie.
        let together = format!("{name}=x; {one}; {two}");
        let by_login = client.send(
            &Method::POST,
            "/auth/login",
            &[
                ("cookie", &together),
                OWN_PAGE,
                ("content-type", "application/json"),
            ],
            Some(br#"{"username":"alice","password":"wonderland"}"#),
        );
        assert_eq!(by_login.status, 200, "{by_login:?}");
        for cookie in [&one, &two] {
            has_ended(&client, transport, cookie);
        }
    }
    for transport in [Transport::Cookie, Transport::Session] {
        let [one, two] = [(); 2].map(|()| Browser::alice(&client, transport).cookies());
        let together = format!("{one}; {two}");
        let headers = [("cookie", together.as_str()), OWN_PAGE];
        let reply = client.send(&Method::POST, "/auth/logout", &headers, None);
        assert_eq!(reply.status, 204, "{reply:?}");
        for cookie in [&one, &two] {
            has_ended(&client, transport, cookie);
        }
    }
}

/// A value that the server did not issue is refused, and never adopted.
pub fn a_self_made_cookie_is_never_adopted(program: &str) {
    let (server, _files) = Server::start(program, &[]);
    let client = server.client();
    let well_formed = "A".repeat(67);
    let long = "x".repeat(4096);
    for value in [
        "",
        "x",
        "nonsense",
        "a.b.c",
        r#""quoted""#,
        &well_formed,
        &long,
    ] {
        let session = format!("__Host-Http-session={value}");
        let reply = send(&client, &Method::GET, "/api/me", &session);
        reply.invalid_token("invalid");
        assert_eq!(reply.header("set-cookie"), "", "only a logout deletes");
        let refresh = format!("__Host-Http-refresh={value}");
        let reply = send(&client, &Method::POST, "/auth/refresh", &refresh);
        reply.refused_as("malformed");
        assert_eq!(reply.header("set-cookie"), "", "only a logout deletes");
        let both = format!("{session}; {refresh}");
        assert_eq!(
            send(&client, &Method::POST, "/auth/logout", &both).status,
            204
        );
        for transport in [Transport::Cookie, Transport::Session] {
            let headers = [
                ("cookie", both.as_str()),
                OWN_PAGE,
                ("content-type", "application/json"),
            ];
            let body = json!({
                "username": "bob", "password": "builder", "transport": transport.name(),
            });
            let body = body.to_string();
            let reply = client.send(
                &Method::POST,
                "/auth/login",
                &headers,
                Some(body.as_bytes()),
            );
            assert_eq!(reply.status, 200, "{reply:?}");
            let planted = set_cookies(&reply);
            assert_eq!(planted.len(), 1);
            let planted = planted[0].split([';', '=']).nth(1).unwrap();
            assert!(
                planted != value && planted.len() >= 67,
                "a value of the server's own"
            );
        }
    }
}

/// If an attacker plants a genuine cookie of their own, a login does not use it.
pub fn a_login_is_safe_from_fixation(program: &str) {
    let (server, _files) = Server::start(program, &[]);
    let client = server.client();
    for transport in [Transport::Cookie, Transport::Session] {
        let mut thief = Browser::new(&client, transport);
        thief.login("bob", "builder", false);
        let planted = thief.session();
        // The victim's browser has the thief's cookie, and logs in.
        let mut victim = thief.clone();
        assert_eq!(victim.login("alice", "wonderland", false).status, 200);
        assert_ne!(victim.session(), planted);
        assert_ne!(victim.cookies(), thief.cookies());
        assert_eq!(victim.get("/api/me").json()["sub"], "alice");
        thief.has_ended("revoked");
        // A failed login changes nothing.
        let before = victim.cookies();
        victim
            .clone()
            .login("alice", "guess", false)
            .error(401, "invalid_credentials");
        assert_eq!(
            (victim.get("/api/me").status, victim.cookies()),
            (200, before)
        );
    }
}

/// Cookies of other applications on the host do not disturb.
pub fn many_and_long_foreign_cookies_do_not_disturb(program: &str) {
    let (server, _files) = Server::start(program, &[]);
    let client = server.client();
    let session = Browser::alice(&client, Transport::Session).cookies();
    let refresh = Browser::alice(&client, Transport::Cookie).cookies();
    let long = format!("neighbour={}", "x".repeat(4096));
    let many: Vec<_> = (0..200).map(|n| format!("neighbour{n}={n}")).collect();
    let many = many.join("; ");
    let odd = r#"=; ;; a; "b"; c="d e"; %00=%ff; __host-session=x; __Host-Http-session2=x"#;
    for others in [long.as_str(), &many, odd] {
        for cookies in [
            format!("{others}; {session}"),
            format!("{session}; {others}"),
        ] {
            let reply = send(&client, &Method::POST, "/api/notes", &cookies);
            assert_eq!(reply.status, 200, "{others:.40}: {reply:?}");
        }
        let cookies = format!("{others}; {refresh}");
        let reply = send(&client, &Method::POST, "/auth/refresh", &cookies);
        assert_eq!(reply.status, 200, "{others:.40}: {reply:?}");
        let reply = send(&client, &Method::GET, "/api/me", others);
        reply.error(401, "unauthorized");
    }
}

/// The bearer token counts and the cookie does not, whether either is good or not.
pub fn a_bearer_token_takes_precedence_over_a_cookie(program: &str) {
    let (server, _files) = Server::start(program, &[]);
    let client = server.client();
    let bob = client.login("bob", "builder");
    let alice = Browser::alice(&client, Transport::Session).cookies();
    let bearer = format!("Bearer {}", bob.access);
    let ask = |method: &Method, path: &str, bearer: &str, more: &[(&str, &str)]| {
        let headers = [&[("authorization", bearer), ("cookie", &alice)], more].concat();
        client.send(method, path, &headers, None)
    };
    let me = ask(&Method::GET, "/api/me", &bearer, &[]);
    assert_eq!(me.json()["sub"], "bob");
    ask(&Method::GET, "/api/reports", &bearer, &[]).error(403, "insufficient_scope");
    ask(&Method::GET, "/api/me", "Bearer nonsense", &[]).invalid_token("invalid");
    ask(&Method::GET, "/api/me", "Bearer", &[]).error(400, "invalid_request");
    let other_scheme = ask(&Method::GET, "/api/me", "Basic YTpi", &[]);
    assert_eq!(
        other_scheme.json()["sub"],
        "alice",
        "no bearer token at all"
    );
    // No cookie counts, so another site gains nothing.
    let cross = [("sec-fetch-site", "cross-site")];
    let reply = ask(&Method::POST, "/api/transfer", &bearer, &cross);
    assert_eq!(reply.status, 200, "{reply:?}");
    let listed = ask(&Method::GET, "/auth/sessions", &bearer, &[]).json();
    assert_eq!(listed["sessions"][0]["session_id"], bob.session.as_str());

    // The refresh route ignores `Authorization`, if genuine or not.
    let refresh = Browser::alice(&client, Transport::Cookie).cookies();
    for authorization in [bearer.as_str(), "Bearer nonsense", "Bearer", "Basic YTpi"] {
        let headers = [
            ("authorization", authorization),
            ("cookie", &refresh),
            OWN_PAGE,
        ];
        let reply = client.send(&Method::POST, "/auth/refresh", &headers, None);
        assert_eq!(reply.status, 200, "{authorization}: {reply:?}");
    }
    // A logout ends the sessions of both.
    let together = format!("{alice}; {refresh}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("cookie", &together),
        OWN_PAGE,
    ];
    let reply = client.send(&Method::POST, "/auth/logout", &headers, None);
    assert_eq!(reply.status, 204, "{reply:?}");
    client.me(&bob.access).invalid_token("revoked");
    has_ended(&client, Transport::Session, &alice);
    has_ended(&client, Transport::Cookie, &refresh);
}

/// A refresh token counts only in the carrier of its transport.
pub fn a_refresh_token_counts_only_in_its_own_carrier(program: &str) {
    let (server, _files) = Server::start(program, &[]);
    let client = server.client();
    let mut browser = Browser::alice(&client, Transport::Cookie);
    let cookie = browser.cookies();
    let token = cookie.strip_prefix("__Host-Http-refresh=").unwrap();
    client.refresh(token).refused_as("malformed");
    let login = client.login("alice", "wonderland");
    let moved = format!("__Host-Http-refresh={}", login.refresh);
    send(&client, &Method::POST, "/auth/refresh", &moved).refused_as("malformed");
    // Body and cookie both.
    let headers = [
        ("cookie", cookie.as_str()),
        OWN_PAGE,
        ("content-type", "application/json"),
    ];
    let body = json!({ "refresh_token": login.refresh }).to_string();
    let reply = client.send(
        &Method::POST,
        "/auth/refresh",
        &headers,
        Some(body.as_bytes()),
    );
    reply.error(400, "invalid_request");
    assert_eq!(browser.renew().status, 200);
    client.refresh(&login.refresh).tokens();
}

fn set_cookies(reply: &Reply) -> Vec<String> {
    let fields = reply.headers.get_all("set-cookie").iter();
    fields
        .map(|field| field.to_str().unwrap().to_owned())
        .collect()
}

/// Sends cookies as the server's own page would.
fn send(client: &Client, method: &Method, path: &str, cookies: &str) -> Reply {
    client.send(method, path, &[("cookie", cookies), OWN_PAGE], None)
}

#[track_caller]
fn has_ended(client: &Client, transport: Transport, cookie: &str) {
    if transport == Transport::Session {
        send(client, &Method::GET, "/api/me", cookie).invalid_token("revoked");
    } else {
        send(client, &Method::POST, "/auth/refresh", cookie).refused_as("revoked");
    }
}
