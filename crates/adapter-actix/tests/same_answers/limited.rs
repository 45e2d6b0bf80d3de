//! The application's limit on what resource servers ask.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use token_core::Policy;
use token_http::{Attempt, AttemptKind, Auth, AuthConfig};
use token_session::MemoryStore;
use token_session::test_util::{SeededEntropy, TestClock, TestManager};

use crate::OWN;
use crate::client::{Reply, send};

/// Two questions of one address, and nothing of an address that is not known.
pub(crate) fn application() -> (Auth, TestClock) {
    let store = MemoryStore::new(1000, &[7; 32]);
    let entropy = SeededEntropy::new(1);
    let TestManager { manager, clock } =
        TestManager::with_store(store, Policy::default(), |builder| builder.entropy(entropy));
    let asked = AtomicU32::new(0);
    let limit = move |attempt: Attempt<'_>| {
        let known = attempt.address == Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
        match attempt.kind {
            AttemptKind::Introspect if !known => Err(Duration::from_secs(1)),
            AttemptKind::Introspect if asked.fetch_add(1, Ordering::Relaxed) >= 2 => {
                Err(Duration::from_millis(6500))
            }
            _ => Ok(()),
        }
    };
    let config = AuthConfig::builder(OWN.parse().unwrap())
        .introspection_key("the-key-of-a-resource-server")
        .limit(limit)
        .build()
        .unwrap();
    (Auth::new(manager, config), clock)
}

pub(crate) fn run(server: SocketAddr, _: &TestClock) -> Vec<(String, Reply)> {
    const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
    const LINE: &str = "POST /auth/introspect";
    let mut replies = Vec::new();
    let mut ask = |expected: u16, line: &str, fields: &[(&str, &str)], body: &str| {
        let (method, path) = line.split_once(' ').unwrap();
        let reply = send(server, method, path, fields, body);
        assert_eq!(reply.status, expected, "{line} {fields:?}: {reply:?}");
        replies.push((format!("{line} {fields:?}"), reply.clone()));
        reply
    };
    let json = ("Content-Type", "application/json");
    let login = r#"{"username":"alice","password":"wonderland"}"#;
    let login = ask(200, "POST /auth/login", &[json], login);
    let token = format!("token={}", login.text("access_token"));
    let right = ("Authorization", "Bearer the-key-of-a-resource-server");
    let wrong = ("Authorization", "Bearer another-key");

    // A key that is guessed counts too, and after that the right one is not looked at either.
    let told = ask(200, LINE, &[FORM, right], &token);
    assert!(told.body.starts_with(r#"{"active":true,"#), "{told:?}");
    ask(401, LINE, &[FORM, wrong], &token);
    for key in [right, wrong] {
        let refused = ask(429, LINE, &[FORM, key], &token);
        assert_eq!(refused.body, r#"{"error":"too_many_requests"}"#);
        let wait = ("retry-after".to_owned(), "7".to_owned());
        assert!(refused.fields.contains(&wait), "{refused:?}");
        let challenged = |(name, _): &(String, String)| name == "www-authenticate";
        assert!(!refused.fields.iter().any(challenged), "{refused:?}");
    }
    // Nothing else is limited.
    let bearer = format!("Bearer {}", login.text("access_token"));
    ask(200, "GET /me", &[("Authorization", &bearer)], "");
    replies
}
