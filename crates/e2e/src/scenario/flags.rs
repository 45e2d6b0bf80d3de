//! The flags of the contract's table.

use http::Method;
use serde_json::json;

use crate::browser::{Browser, Transport};
use crate::client::Client;
use crate::server::{Files, Server, refused, refused_in};
use crate::token::{claims, header};

/// The help has every flag with its environment variable and its default.
pub fn every_flag_is_an_environment_variable_too(program: &str) {
    let files = Files::new();
    let help = refused(program, &files, &["--help"]);
    assert_eq!(help.status.code(), Some(0));
    let help = String::from_utf8(help.stdout).unwrap();
    for (flag, default) in [
        ("--listen", "127.0.0.1:3000"),
        ("--store", "sqlite:sessions.db"),
        ("--user", ""),
        ("--alg", ""),
        ("--keys", "keys.json"),
        ("--access-ttl", ""),
        ("--idle", "30d"),
        ("--remember-idle", "90d"),
        ("--absolute", "365d"),
        ("--grace", "30s"),
        ("--tolerance", "5s"),
        ("--touch", "1m"),
        ("--origin", ""),
        ("--allow-origin", ""),
        ("--client", ""),
        ("--issuer", ""),
        ("--audience", ""),
        ("--trusted-proxy", ""),
        ("--rate-limit", "on"),
        ("--introspection-key", ""),
        ("--revocation", "feed"),
    ] {
        let (_, rest) = help.split_once(&format!("{flag} <")).expect(flag);
        let text = rest.split("\n      --").next().unwrap();
        let name = flag
            .trim_start_matches('-')
            .replace('-', "_")
            .to_uppercase();
        assert!(
            text.contains(&format!("[env: HALLPASS_{name}")),
            "{flag}: {text}"
        );
        if !default.is_empty() {
            assert!(
                text.contains(&format!("[default: {default}]")),
                "{flag}: {text}"
            );
        }
    }
    // A variable has an effect, and a flag takes precedence over it.
    let long = [("HALLPASS_ACCESS_TTL", "2h")];
    let refused = refused_in(program, &files, &[], &long);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("`access_lifetime` of 7200s"), "{said}");
}

/// The lifetimes in the answers are those of the flags.
pub fn lifetimes_are_as_the_flags_say(program: &str) {
    let flags = [
        "--access-ttl",
        "7s",
        "--idle",
        "2d",
        "--remember-idle",
        "3d",
        "--absolute",
        "4d",
        "--grace",
        "11s",
        "--issuer",
        "https://issuer.example",
        "--audience",
        "orders",
        "--user",
        "carol:hush-hush:a b",
        "--alg",
        "ES256",
        "--store",
        "memory:",
    ];
    let (server, files) = Server::start(program, &flags);
    let client = server.client();
    let login = client.login("carol", "hush-hush");
    for (member, value) in [
        ("expires_in", 7),
        ("refresh_expires_in", 2 * 86_400),
        ("refresh_grace", 11),
    ] {
        assert_eq!(login.answer[member], value, "{member}");
    }
    let claims = claims(&login.access);
    assert_eq!(claims["iss"], "https://issuer.example");
    assert_eq!(claims["aud"], "orders");
    assert_eq!(claims["scope"], "a b");
    assert_eq!(header(&login.access)["alg"], "ES256");
    let remembered = Browser::new(&client, Transport::Header).login("carol", "hush-hush", true);
    assert_eq!(remembered.json()["refresh_expires_in"], 3 * 86_400);
    let alice = json!({ "username": "alice", "password": "wonderland" });
    client
        .post_json("/auth/login", &alice)
        .error(401, "invalid_credentials");
    assert!(!files.path("sessions.db").exists(), "in memory alone");
}

/// Behind a proxy the origin differs from the address. The origin decides, and is in all links.
pub fn the_origin_is_what_the_flag_says(program: &str) {
    let own = "https://own.example";
    let (server, _files) = Server::start(program, &["--origin", own]);
    let client = server.client();
    let session = Browser::alice(&client, Transport::Session).cookies();
    for (origin, status) in [
        (own, 200),
        ("https://OWN.example:443", 200),
        (server.url(), 403),
    ] {
        let headers = [("cookie", session.as_str()), ("origin", origin)];
        let reply = client.send(&Method::POST, "/api/notes", &headers, None);
        assert_eq!(reply.status, status, "{origin}: {reply:?}");
    }
    let metadata = "/.well-known/oauth-authorization-server";
    let metadata = client.send(&Method::GET, metadata, &[], None).json();
    assert_eq!(metadata["token_endpoint"], format!("{own}/auth/refresh"));
}

/// Access tokens of ended sessions are refused by the feed, by a read of the store at each request,
/// or not at all.
pub fn revocation_is_checked_as_the_flag_says(program: &str) {
    for (how, refused_at_once) in [("feed", true), ("store", true), ("none", false)] {
        let files = Files::new();
        let start = || Server::start_on(program, &files, &["--revocation", how]);
        let (one, two) = (start(), start());
        let (client, other) = (one.client(), two.client());
        let login = client.login("alice", "wonderland");
        assert_eq!(client.logout(&login.refresh).status, 204);
        let is_refused = |client: &Client| client.me(&login.access).status == 401;
        assert_eq!(is_refused(&client), refused_at_once, "{how}");
        if how == "store" {
            assert!(is_refused(&other), "the other server asks it as well");
        }
        // With every setting, nothing renews the session.
        client.refresh(&login.refresh).refused_as("revoked");
        other.refresh(&login.refresh).refused_as("revoked");
        // The list of sessions always reads the store.
        client
            .get("/auth/sessions", &login.access)
            .invalid_token("revoked");
    }
}
