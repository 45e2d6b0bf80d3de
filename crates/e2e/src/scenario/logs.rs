//! The log has each event, and no credential.

use std::fs;

use http::Method;
use serde_json::{Value, json};

use super::pass;
use crate::reply::Tokens;
use crate::server::Server;

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
