//! A client that knows nothing but the address of a resource finds out where to get a token (RFC 9728).

use std::net::SocketAddr;

use serde_json::{Value, json};
use token_core::Policy;
use token_http::{Auth, AuthConfig, Dpop, ProtectedResource};
use token_session::MemoryStore;
use token_session::test_util::{SeededEntropy, TestClock, TestManager};

use crate::OWN;
use crate::client::{Reply, send};

/// As challenges end that name the document.
const NAMED: &str =
    r#"resource_metadata="https://own.example/.well-known/oauth-protected-resource/notes""#;

/// An application that is a resource itself.
pub(crate) fn application() -> (Auth, TestClock) {
    let store = MemoryStore::new(1000, &[7; 32]);
    let entropy = SeededEntropy::new(1);
    let TestManager { manager, clock } =
        TestManager::with_store(store, Policy::default(), |builder| builder.entropy(entropy));
    let resource = ProtectedResource::new(&format!("{OWN}/notes"))
        .unwrap()
        .authorization_server(OWN.parse().unwrap())
        .scopes(&"notes:read notes:write".parse().unwrap())
        .name("Notes");
    let config = AuthConfig::builder(OWN.parse().unwrap())
        .dpop(Dpop::optional())
        .protected_resource(resource)
        .build()
        .unwrap();
    (Auth::new(manager, config), clock)
}

/// Another resource, which the servers serve apart from their routes.
pub(crate) fn apart() -> ProtectedResource {
    let other = ProtectedResource::new("https://own.example/apart").unwrap();
    other.authorization_server("https://id.example".parse().unwrap())
}

#[expect(clippy::too_many_lines, reason = "a script is read from top to bottom")]
pub(crate) fn run(server: SocketAddr, _: &TestClock) -> Vec<(String, Reply)> {
    const JSON: (&str, &str) = ("Content-Type", "application/json");
    const SAME: (&str, &str) = ("Sec-Fetch-Site", "same-origin");
    let mut replies = Vec::new();
    let mut ask = |expected: u16, line: &str, fields: &[(&str, &str)], body: &str| {
        let (method, path) = line.split_once(' ').unwrap();
        let reply = send(server, method, path, fields, body);
        assert_eq!(reply.status, expected, "{line} {fields:?}: {reply:?}");
        replies.push((format!("{line} {fields:?}"), reply.clone()));
        reply
    };
    let field = |reply: &Reply, name: &str| {
        let found = reply.fields.iter().find(|(own, _)| own == name);
        found.map_or_else(String::new, |(_, value)| value.clone())
    };
    let challenge = |reply: &Reply| field(reply, "www-authenticate");

    // The document is where the challenges say.
    let own = "/.well-known/oauth-protected-resource/notes";
    let apart = "/.well-known/oauth-protected-resource/apart";
    for (path, expected) in [
        (
            own,
            json!({
                "resource": "https://own.example/notes", "authorization_servers": [OWN],
                "scopes_supported": ["notes:read", "notes:write"],
                "bearer_methods_supported": ["header"], "resource_name": "Notes",
            }),
        ),
        (
            apart,
            json!({
                "resource": "https://own.example/apart",
                "authorization_servers": ["https://id.example"],
                "bearer_methods_supported": ["header"],
            }),
        ),
    ] {
        let document = ask(200, &format!("GET {path}"), &[], "");
        assert_eq!(field(&document, "content-type"), "application/json");
        assert_eq!(field(&document, "cache-control"), "public, max-age=300");
        let body: Value = serde_json::from_str(&document.body).unwrap();
        assert_eq!(body, expected, "{path}");
        assert_eq!(ask(200, &format!("HEAD {path}"), &[], "").body, "");
        let refused = ask(405, &format!("POST {path}"), &[], "x");
        assert_eq!(field(&refused, "allow"), "GET, HEAD", "{path}");
    }

    // Whatever a resource refuses, by either scheme and in each extractor.
    let login = r#"{"username":"alice","password":"wonderland"}"#;
    let access = ask(200, "POST /auth/login", &[JSON], login).text("access_token");
    let (bearer, dpop) = (format!("Bearer {access}"), format!("DPoP {access}"));
    let bearer = ("Authorization", &*bearer);
    let none: &[(&str, &str)] = &[];
    let wrong: &[_] = &[("Authorization", "Bearer a.b.c")];
    for (status, line, fields, start) in [
        (401, "GET /me", none, r#"Bearer realm="api""#),
        (401, "GET /page", none, r#"Bearer realm="api""#),
        (401, "GET /auth/session", none, r#"Bearer realm="api""#),
        (401, "GET /by-key", &[bearer], r#"Bearer realm="api""#),
        (
            401,
            "GET /me",
            wrong,
            r#"Bearer realm="api", error="invalid_token""#,
        ),
        (
            401,
            "GET /guest",
            wrong,
            r#"Bearer realm="api", error="invalid_token""#,
        ),
        (
            401,
            "GET /me",
            &[("Cookie", "__Host-Http-session=x")],
            r#"Bearer realm="api", error="invalid_token""#,
        ),
        (
            401,
            "GET /me",
            &[("Authorization", &dpop)],
            r#"DPoP realm="api", error="invalid_dpop_proof""#,
        ),
        (
            403,
            "GET /reports",
            &[bearer],
            r#"Bearer realm="api", error="insufficient_scope", scope="reports:read""#,
        ),
        (
            403,
            "GET /guarded",
            &[bearer],
            r#"Bearer realm="api", error="insufficient_scope", scope="reports:read""#,
        ),
    ] {
        let refused = challenge(&ask(status, line, fields, ""));
        assert!(refused.starts_with(start), "{line} {fields:?}: {refused}");
        assert!(refused.ends_with(NAMED), "{line} {fields:?}: {refused}");
    }
    // A login is no resource, and neither is what a browser without the proof of its form is told.
    let refused = ask(
        401,
        "POST /auth/login",
        &[JSON],
        &login.replace("wonder", "x"),
    );
    assert_eq!(challenge(&refused), r#"Bearer realm="api""#);
    let session = login.replace('}', r#","transport":"session"}"#);
    let session = ask(200, "POST /auth/login", &[JSON, SAME], &session).cookie();
    let refused = ask(403, "POST /me", &[("Cookie", &session)], "");
    assert_eq!(challenge(&refused), "");
    replies
}
