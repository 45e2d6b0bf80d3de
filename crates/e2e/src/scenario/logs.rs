//! The log has each event, and no credential.

use std::fs;

use http::Method;
use serde_json::{Value, json};

use super::pass;
use crate::patience::soon;
use crate::reply::Tokens;
use crate::server::{Files, Server};

/// One line for each event, with session and subject, and without any token, password or key.
pub fn the_log_has_each_event_and_no_secret(program: &str) {
    let flags = ["--grace", "10s", "--tolerance", "0s"];
    let (server, files) = Server::start(program, &flags);
    let client = server.client();
    let mut tokens: Vec<Tokens> = Vec::new();
    let first = client.login("alice", "wonderland");
    tokens.push(client.refresh(&first.refresh).tokens());
    tokens.push(client.refresh(&first.refresh).tokens()); // replayed
    pass(11.2);
    client.refresh(&first.refresh).refused_as("reused");
    let second = client.login("bob", "builder");
    let body = json!({ "password": "builder", "refresh_token": second.refresh });
    let stepped_up = client.post_json("/auth/step-up", &body).tokens();
    assert_eq!(client.logout(&stepped_up.refresh).status, 204);
    // Mistakes that people make: a password as the name, tokens in the wrong place.
    let body = json!({ "username": "hush-hush", "password": "hush-hush" });
    client
        .post_json("/auth/login", &body)
        .error(401, "invalid_credentials");
    client.me(&first.refresh).invalid_token("invalid");
    client.refresh(&first.access).refused_as("malformed");
    let query = format!("/api/me?access_token={}", first.access);
    assert_eq!(client.send(&Method::GET, &query, &[], None).status, 401);
    client
        .me(&format!("{}x", first.access))
        .invalid_token("invalid");

    let (_, log) = server.terminate();
    for (event, session, subject) in [
        ("login", &first.session, "alice"),
        ("refreshed", &first.session, "alice"),
        ("replayed", &first.session, "alice"),
        ("reused", &first.session, "alice"),
        ("login", &second.session, "bob"),
        ("stepped_up", &second.session, "bob"),
        ("revoked", &second.session, "bob"),
    ] {
        let lines = log.lines().filter(|line| {
            line.contains(&format!("event={event} "))
                && line.contains(&format!("session={session}"))
                && line.contains(&format!("subject={subject}"))
        });
        assert_eq!(lines.count(), 1, "{event} of {subject} in\n{log}");
    }

    tokens.extend([first, second, stepped_up]);
    let keys: Value = serde_json::from_slice(&fs::read(files.keys()).unwrap()).unwrap();
    let mut secrets: Vec<&str> = vec!["wonderland", "builder", "hush-hush", "$argon2"];
    secrets.push(keys["access"][0]["key"]["d"].as_str().unwrap());
    secrets.push(keys["refresh"][0]["k"].as_str().unwrap());
    for token in &tokens {
        for text in [&token.access, &token.refresh] {
            // Not even the signature or the payload alone.
            secrets.extend(text.split('.').skip(1));
        }
    }
    for secret in secrets {
        assert!(!log.contains(secret), "{secret} is in\n{log}");
    }
}

/// A first try over the network: the server listens on every address, so its own origin is one that no
/// browser sends. The log says so at the start, and again at each login that is refused for it.
pub fn an_origin_that_no_browser_sends_is_told(program: &str) {
    let files = Files::new();
    let flags = ["--listen", "0.0.0.0:0"];
    let debug = [("RUST_LOG", "info,hallpass=debug")];
    let server = Server::start_with(program, &files, &flags, &debug);
    soon("it warns", || {
        let told = server.output();
        told.contains("WARN")
            && told.contains("--origin http")
            && told.contains("name the users with --user")
    });
    let own = server.url().to_owned();
    let page = "http://192.0.2.1:3000";
    let headers = [("content-type", "application/json"), ("origin", page)];
    let body = br#"{"username":"alice","password":"wonderland"}"#;
    let client = server.client();
    let login = client.send(&Method::POST, "/auth/login", &headers, Some(body));
    login.error(403, "csrf_failed");
    let (_, log) = server.terminate();
    let line = log
        .lines()
        .find(|line| line.contains("csrf_failed"))
        .expect("a line");
    assert!(
        own.starts_with("http://0.0.0.0:") && line.contains(&own),
        "{line}"
    );
    assert!(line.contains(page), "{line}");

    let named = [&flags[..], &["--origin", "http://192.0.2.1"]].concat();
    let server = Server::start_on(program, &files, &named);
    let (_, log) = server.terminate();
    assert!(!log.contains("no browser sends"), "{log}");
}
