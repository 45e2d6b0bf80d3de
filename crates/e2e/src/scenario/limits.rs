//! Attempts are limited, per address and per account.

use std::time::Instant;

use http::Method;
use serde_json::json;

use crate::browser::{Browser, Transport};
use crate::client::Client;
use crate::reply::Reply;
use crate::scenario::pass;
use crate::server::Server;

/// Guesses at the password of one account are limited from all addresses together, and other
/// accounts are not affected.
pub fn guesses_at_an_account_are_limited(program: &str) {
    let (server, _files) = Server::start(program, &flags());
    // The answers depend on when a bucket refills.
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
    // The same holds for the other routes that take a password, with the session's account.
    is_too_many(6, || browser.step_up("guess"));
    is_too_many(6, || browser.change_password("guess", "looking-glass"));
    // The right password is limited too; if not, the answer would tell that it is right.
    let right = json!({ "username": "alice", "password": "wonderland" });
    is_too_many(6, || client.post_json("/auth/login", &right));
    guess(&client, "192.0.2.99", "bob").error(401, "invalid_credentials");
    // Existing sessions are not affected.
    assert_eq!(browser.renew().status, 200);
}

/// If the present password is wrong, the new one is tried, since the answer to a first request may have been lost.
/// Otherwise a guesser would have two passwords for one attempt.
pub fn each_password_of_a_change_counts(program: &str) {
    let (server, _files) = Server::start(program, &flags());
    // The answers depend on when a bucket refills.
    let client = server.client().unrecorded();
    let start = Instant::now();
    let mut browser = Browser::alice(&client, Transport::Header);
    let mut tried = 1;
    loop {
        let reply = browser.change_password("guess", "another-guess");
        if reply.status == 429 {
            break;
        }
        reply.error(401, "invalid_credentials");
        tried += 2;
    }
    // 10 at once for an account, then one each 6 seconds.
    let allowed = 10 + start.elapsed().as_secs().div_ceil(6);
    assert!((9..=allowed).contains(&tried), "{tried} of {allowed}");
    // Nor is a right one found so.
    is_too_many(6, || browser.change_password("guess", "wonderland"));
}

/// Guesses from one address are limited for all names together; other addresses are not affected.
pub fn guesses_from_an_address_are_limited(program: &str) {
    let (server, _files) = Server::start(program, &flags());
    // The answers depend on when a bucket refills.
    let client = server.client().unrecorded();
    let mut refused = None;
    for n in 0..60 {
        // A name that no user can have is refused without hashing.
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

/// Refreshes are limited by address; all users of the address wait, and nobody is logged out.
pub fn refreshes_from_an_address_are_limited(program: &str) {
    let (server, _files) = Server::start(program, &flags());
    // The answers depend on when a bucket refills.
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

/// Refreshes are limited by account too, from all addresses together. One session does not use up
/// what the account's others need, other accounts are not affected, and no session is lost.
pub fn refreshes_of_an_account_are_limited(program: &str) {
    // Within the grace a token is good for as many refreshes as are let through.
    let on_memory = ["--store", "memory:", "--grace", "10m"];
    let (server, _files) = Server::start(program, &[&flags()[..], &on_memory].concat());
    // The answers depend on when a bucket refills.
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
    // Its other sessions go on until the account has reached its limit.
    assert_ne!(until_refused(&alice[1].refresh), 0);
    until_refused(&alice[2].refresh);
    let last = until_refused(&alice[3].refresh);
    assert!(last < 300, "it is not its session that had enough: {last}");
    assert_eq!(refresh(&bob.refresh).status, 200);
    let mut again = (0..100).map(|_| {
        pass(0.1);
        refresh(&alice[3].refresh).status
    });
    assert!(again.any(|status| status == 200), "the wait has ended");
}

/// A request's address is taken from header fields only if a trusted proxy sent them, and only from
/// what that proxy added itself.
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

/// The test takes the place of a proxy, so that it can come from any address.
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

/// If the bucket has refilled by one attempt meanwhile, the next attempt empties it; on a machine
/// that stands still several times, a later one.
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
