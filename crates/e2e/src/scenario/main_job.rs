//! Log in, call, refresh, log out.

use std::collections::BTreeSet;

use http::Method;
use serde_json::json;

use crate::server::Server;
use crate::token::{claims, header};

/// A whole session, with every member of the answers.
pub fn log_in_call_refresh_log_out(program: &str) {
    let (server, _files) = Server::start(program, &["--client", "phone"]);
    let client = server.client();
    let body = json!({ "username": "alice", "password": "wonderland" });
    let reply = client.post_json("/auth/login", &body);
    for (name, value) in [
        ("content-type", "application/json"),
        ("cache-control", "no-store"),
        ("pragma", "no-cache"),
        ("set-cookie", ""),
    ] {
        assert_eq!(reply.header(name), value, "{name}");
    }
    let login = reply.tokens();
    let members: BTreeSet<_> = login.answer.as_object().unwrap().keys().collect();
    let expected = "token_type access_token expires_in access_expires_at refresh_token \
         refresh_expires_in refresh_expires_at refresh_grace session_id server_time scope";
    assert_eq!(
        members.iter().map(|m| m.as_str()).collect::<BTreeSet<_>>(),
        expected.split_whitespace().collect()
    );
    let number = |member: &str| login.answer[member].as_u64().unwrap();
    assert_eq!(number("expires_in"), 300);
    assert_eq!(number("access_expires_at"), number("server_time") + 300);
    assert_eq!(number("refresh_expires_in"), 30 * 86_400);
    assert_eq!(number("refresh_grace"), 30);
    assert_eq!(login.answer["token_type"], "Bearer");
    assert_eq!(login.answer["scope"], "notes:read notes:write reports:read");

    let told = claims(&login.access);
    for (claim, value) in [
        ("iss", json!("https://id.example")),
        ("aud", json!("https://api.example")),
        ("sub", json!("alice")),
        ("sid", json!(login.session)),
        ("iat", login.answer["server_time"].clone()),
        ("exp", login.answer["access_expires_at"].clone()),
        ("auth_time", login.answer["server_time"].clone()),
        ("scope", login.answer["scope"].clone()),
        ("name", json!("Alice")),
    ] {
        assert_eq!(told[claim], value, "{claim}");
    }
    assert!(told["jti"].is_string() && told["client_id"].is_string());
    assert_eq!(header(&login.access)["typ"], "at+jwt");
    assert_eq!(header(&login.access)["alg"], "ES256");

    let me = client.me(&login.access);
    let expected = json!({
        "sub": "alice", "session_id": login.session,
        "scope": login.answer["scope"], "auth_time": told["auth_time"],
    });
    assert_eq!((me.status, me.json()), (200, expected));

    let next = client.refresh(&login.refresh).tokens();
    assert_eq!(next.session, login.session);
    assert_ne!(next.refresh, login.refresh);
    assert_ne!(claims(&next.access)["jti"], told["jti"]);
    assert_eq!(claims(&next.access)["auth_time"], told["auth_time"]);
    assert_eq!(client.me(&next.access).status, 200);
    // The older access token is still good.
    assert_eq!(client.me(&login.access).status, 200);

    // The tokens name the client that the login named, if the server knows it.
    let named = |id: &str| {
        let body = json!({ "username": "alice", "password": "wonderland", "client_id": id });
        client.post_json("/auth/login", &body)
    };
    let phone = named("phone").tokens();
    assert_eq!(claims(&phone.access)["client_id"], "phone");
    named("billing").error(400, "invalid_request");

    // RFC 6749 section 6, in a form and with less scope.
    let form = format!(
        "grant_type=refresh_token&scope=notes%3Aread&refresh_token={}",
        next.refresh
    );
    let narrow = client.post_form("/auth/refresh", &form).tokens();
    assert_eq!(narrow.answer["scope"], "notes:read");
    assert_eq!(claims(&narrow.access)["scope"], "notes:read");
    assert_eq!(client.get("/api/reports", &narrow.access).status, 403);

    assert_eq!(client.logout(&narrow.refresh).status, 204);
    client.me(&next.access).invalid_token("revoked");
}

/// Alice has the scope, bob does not.
pub fn a_missing_scope_is_refused(program: &str) {
    let (server, _files) = Server::start(program, &[]);
    let client = server.client();
    let alice = client.login("alice", "wonderland").access;
    let bob = client.login("bob", "builder").access;
    let reports = client.get("/api/reports", &alice);
    assert_eq!(
        (reports.status, &reports.json()["title"]),
        (200, &json!("Reports for Alice"))
    );
    assert_eq!(client.post("/api/notes", &alice).status, 200);
    assert_eq!(client.post("/api/transfer", &bob).status, 200);
    for (reply, scope) in [
        (client.get("/api/reports", &bob), "reports:read"),
        (client.post("/api/notes", &bob), "notes:write"),
    ] {
        reply.error(403, "insufficient_scope");
        let challenge = reply.header("www-authenticate");
        let expected = format!(r#"error="insufficient_scope", scope="{scope}""#);
        assert!(challenge.ends_with(&expected), "{challenge}");
    }
}

/// The published set has the key that signs and those that will sign next, without the private
/// parts of any.
pub fn keys_and_metadata_are_public(program: &str) {
    let (server, _files) = Server::start(program, &[]);
    let client = server.client();
    let login = client.login("alice", "wonderland");
    let get = |path: &str| client.send(&Method::GET, path, &[], None);
    let jwks = get("/.well-known/jwks.json");
    assert_eq!(jwks.header("content-type"), "application/jwk-set+json");
    assert!(jwks.header("cache-control").starts_with("public, max-age="));
    let jwks = jwks.json();
    let keys = jwks["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 3);
    assert_eq!(keys[0]["kid"], header(&login.access)["kid"]);
    assert!(keys.iter().all(|key| key.get("d").is_none()));
    let metadata = get("/.well-known/oauth-authorization-server").json();
    assert_eq!(metadata["issuer"], "https://id.example");
    assert!(
        metadata["token_endpoint"]
            .as_str()
            .unwrap()
            .ends_with("/auth/refresh")
    );
    assert_eq!(metadata["grant_types_supported"], json!(["refresh_token"]));
    assert_eq!(metadata.get("introspection_endpoint"), None);
}

/// A browser gets a page that may run no script but its own.
pub fn the_page_is_served(program: &str) {
    let (server, _files) = Server::start(program, &["--user", "carol:hush-hush"]);
    let client = server.client();
    let get = |path: &str| client.send(&Method::GET, path, &[], None);
    let page = get("/");
    assert_eq!(
        (page.status, page.header("content-type")),
        (200, "text/html; charset=utf-8")
    );
    let policy = page.header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self';"),
        "{policy}"
    );
    assert!(!page.text.contains("wonderland") && !page.text.contains("hush-hush"));
    let script = get("/auth.js");
    assert_eq!(
        script.header("content-type"),
        "text/javascript; charset=utf-8"
    );
    assert!(script.text.contains("createAuth"));
    assert_eq!(get("/healthz").json()["status"], "ok");
    client.login("carol", "hush-hush");
}
