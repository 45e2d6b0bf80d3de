//! Attempts are limited, per address and per account.

use http::Method;
use serde_json::json;

use crate::browser::{Browser, Transport};
use crate::client::{Client, Reply};
use crate::scenario::pass;
use crate::server::Server;

/// Guessing one account's password is slowed down, wherever the guesses come from, and another
/// account is not.
pub fn guesses_at_an_account_are_limited(program: &str) {
    let (server, _files) = Server::start(program, &flags());
    // When a bucket refills is nobody's to say.
    let client = server.client().unrecorded();
    let mut browser = Browser::alice(&client, Transport::Header);
    let refused = (0..30).find(|n| {
        let reply = guess(&client, &format!("192.0.2.{n}"), "alice");
        reply.status != 401
    });
    assert!(
        refused.expect("30 guesses are too many") >= 9,
        "{refused:?}"
    );
    is_too_many(6, || guess(&client, "192.0.2.99", "alice"));
    // So it is at the other doors, which name the account by its session.
    is_too_many(6, || browser.step_up("guess"));
    is_too_many(6, || browser.change_password("guess", "looking-glass"));
    // The right password waits too, else the answer would tell it from a wrong one.
    let right = json!({ "username": "alice", "password": "wonderland" });
    is_too_many(6, || client.post_json("/auth/login", &right));
    guess(&client, "192.0.2.99", "bob").error(401, "invalid_credentials");
    // And who is logged in notices nothing.
    assert_eq!(browser.renew().status, 200);
}

/// One address is slowed down, whatever names it tries, and another is not.
pub fn guesses_from_an_address_are_limited(program: &str) {
    let (server, _files) = Server::start(program, &flags());
    // When a bucket refills is nobody's to say.
    let client = server.client().unrecorded();
    let mut refused = None;
    for n in 0..60 {
        // A name that nobody can have is refused without hashing.
        let reply = guess(&client, "192.0.2.1", &format!("\u{1}{n}"));
        if reply.status != 401 {
            refused = Some(n);
            break;
        }
    }
    let allowed = refused.expect("60 guesses are too many");
    assert!(allowed >= 30, "{allowed}");
    is_too_many(2, || guess(&client, "192.0.2.1", "\u{1}"));
    guess(&client, "192.0.2.2", "guess").error(401, "invalid_credentials");
    // A network of IPv6 counts as one address.
    guess(&client, "2001:db8:1:2::3", "guess").error(401, "invalid_credentials");
}

/// Refreshes are limited by address; whoever shares it waits, and nobody is logged out.
pub fn refreshes_from_an_address_are_limited(program: &str) {
    let (server, _files) = Server::start(program, &flags());
    // When a bucket refills is nobody's to say.
    let client = server.client().unrecorded();
    let login = client.login("alice", "wonderland");
    let refresh = |address: &str, token: &str| refresh(&client, address, token);
    let refused = (0..2_000).find(|_| refresh("192.0.2.1", "nonsense").status != 400);
    assert!(
        refused.expect("2,000 refreshes are too many") >= 300,
        "{refused:?}"
    );
    is_too_many(1, || refresh("192.0.2.1", "nonsense"));
    let other = refresh("192.0.2.2", &login.refresh);
    assert_eq!(other.status, 200, "{other:?}");
}

/// Refreshes are limited by account too, wherever they come from; no session uses up what its
/// account's others need, nobody else notices, and nothing is lost.
pub fn refreshes_of_an_account_are_limited(program: &str) {
    // Within the grace a token is good for as many refreshes as are let through.
    let on_memory = ["--store", "memory:", "--grace", "10m"];
    let (server, _files) = Server::start(program, &[&flags()[..], &on_memory].concat());
    // When a bucket refills is nobody's to say.
    let client = server.client().unrecorded();
    let alice: Vec<_> = (0..4)
        .map(|_| client.login("alice", "wonderland"))
        .collect();
    let bob = client.login("bob", "builder");
    let mut addresses = 0..u16::MAX;
    let mut refresh = |token: &str| {
        let [high, low] = addresses.next().unwrap().to_be_bytes();
        refresh(&client, &format!("10.9.{high}.{low}"), token)
    };
    let mut until_refused = |token: &str| {
        let refused = (0..10_000).find(|_| refresh(token).status != 200);
        is_too_many(1, || refresh(token));
        refused.expect("10,000 refreshes are too many")
    };
    let first = until_refused(&alice[0].refresh);
    assert!(first >= 300, "{first}");
    // Its other sessions go on, until the account has had enough.
    assert_ne!(until_refused(&alice[1].refresh), 0);
    until_refused(&alice[2].refresh);
    let last = until_refused(&alice[3].refresh);
    assert!(last < 300, "it is not its session that had enough: {last}");
    assert_eq!(refresh(&bob.refresh).status, 200);
    let mut again = (0..100).map(|_| {
        pass(0.1);
        refresh(&alice[3].refresh).status
    });
    assert!(again.any(|status| status == 200), "the wait is over");
}

/// Only a trusted proxy is believed when it says from where a request came, and only what it
/// added itself.
pub fn only_a_trusted_proxy_names_the_address(program: &str) {
    let proxy = ["--trusted-proxy", "127.0.0.0/8"];
    let two = [
        "--trusted-proxy",
        "127.0.0.1",
        "--trusted-proxy",
        "10.0.0.0/8",
    ];
    let other = ["--trusted-proxy", "10.0.0.0/8"];
    let forwarded = |field: &str| field.contains('=').then_some("forwarded");
    for (flags, cases) in [
        (&[][..], &[(&["192.0.2.77"][..], "127.0.0.0/24")][..]),
        (
            &other,
            &[
                (&["192.0.2.77"], "127.0.0.0/24"),
                (&["for=192.0.2.77"], "127.0.0.0/24"),
            ],
        ),
        (
            &proxy,
            &[
                (&[], "127.0.0.0/24"),
                (&["192.0.2.77"], "192.0.2.0/24"),
                (&["198.51.100.1, 192.0.2.77"], "192.0.2.0/24"),
                (&["2001:db8:1:2::3"], "2001:db8:1::/48"),
                (&["192.0.2.77, nonsense"], "127.0.0.0/24"),
                // RFC 7239.
                (&["for=192.0.2.77;proto=https"], "192.0.2.0/24"),
                (&["for=x, for=\"[2001:db8:1:2::3]:99\""], "2001:db8:1::/48"),
                // A proxy wrote one of the two, and its client the other.
                (&["192.0.2.77", "for=198.51.100.1"], "127.0.0.0/24"),
            ],
        ),
        (
            &two,
            &[
                (&["198.51.100.1, 192.0.2.77, 10.1.2.3"], "192.0.2.0/24"),
                (&["198.51.100.1", "192.0.2.77", "10.1.2.3"], "192.0.2.0/24"),
            ],
        ),
    ] {
        let (server, _files) = Server::start(program, flags);
        let client = server.client();
        for (fields, expected) in cases {
            let mut headers = vec![("content-type", "application/json")];
            let named = |field| (forwarded(field).unwrap_or("x-forwarded-for"), field);
            headers.extend(fields.iter().map(|field| named(*field)));
            let body = br#"{"username":"bob","password":"builder"}"#;
            let login = client.send(&Method::POST, "/auth/login", &headers, Some(body));
            let session = client.get("/auth/session", &login.tokens().access);
            let prefix = &session.json()["device"]["ip_prefix"];
            assert_eq!(prefix, expected, "{flags:?} {fields:?}");
        }
    }
}

/// The test stands where a proxy would, so that it can come from any address.
fn flags() -> [&'static str; 4] {
    ["--rate-limit", "on", "--trusted-proxy", "127.0.0.0/8"]
}

fn refresh(client: &Client, address: &str, token: &str) -> Reply {
    let headers = [
        ("content-type", "application/json"),
        ("x-forwarded-for", address),
    ];
    let body = json!({ "refresh_token": token }).to_string();
    client.send(
        &Method::POST,
        "/auth/refresh",
        &headers,
        Some(body.as_bytes()),
    )
}

fn guess(client: &Client, address: &str, username: &str) -> Reply {
    let headers = [
        ("content-type", "application/json"),
        ("x-forwarded-for", address),
    ];
    let body = json!({ "username": username, "password": "guess" }).to_string();
    client.send(
        &Method::POST,
        "/auth/login",
        &headers,
        Some(body.as_bytes()),
    )
}

/// Where the bucket may have refilled meanwhile, by a drop, the next attempt empties it; on a machine
/// that stands still again and again, a later one.
#[track_caller]
fn is_too_many(longest: u64, mut attempt: impl FnMut() -> Reply) {
    let mut replies = (0..100).map(|_| attempt());
    let reply = replies.find(|reply| ![200, 400, 401].contains(&reply.status));
    let reply = reply.expect("it goes on");
    assert_eq!(
        (reply.status, reply.text.as_str()),
        (429, r#"{"error":"too_many_requests"}"#)
    );
    assert_eq!(reply.header("content-type"), "application/json");
    let wait: u64 = reply.header("retry-after").parse().unwrap();
    assert!((1..=longest).contains(&wait), "{wait}");
}
