//! The routes for other services: keys, metadata, introspection, revocation.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::json;

use crate::browser::{Browser, Transport};
use crate::client::Client;
use crate::reply::Reply;
use crate::server::Server;

const KEY: &str = "dGhlLWtleS1vZi1hLXRlc3Q";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// Any key that fits into a header field is accepted. If it is short, a warning says so without it.
pub fn a_short_introspection_key_gives_a_warning(program: &str) {
    let (server, _files) = Server::start(program, &["--introspection-key", "rs.key~1"]);
    let client = server.client();
    let login = client.login("alice", "wonderland");
    let reply = introspect(&client, Some("Bearer rs.key~1"), &login.access);
    assert_eq!(reply.json()["active"], true, "{reply:?}");
    introspect(&client, Some("Bearer rs.key"), &login.access).error(401, "invalid_token");
    let said = server.kill();
    assert!(said.contains("can be guessed"), "{said}");
    assert!(!said.contains("rs.key"), "{said}");
}

/// RFC 7662: a resource server with the key gets the claims of live tokens, and nothing else.
pub fn introspection_answers_the_holder_of_the_key(program: &str) {
    let (server, _files) = Server::start(program, &["--introspection-key", KEY]);
    let key = format!("Bearer {KEY}");
    let client = server.client();
    let login = client.login("alice", "wonderland");
    for token in [&login.access, &login.refresh] {
        let reply = introspect(&client, Some(&key), token);
        assert_eq!(reply.status, 200, "{reply:?}");
        let told = reply.json();
        assert_eq!(told["active"], true);
        assert_eq!(
            (&told["sub"], &told["iss"]),
            (&json!("alice"), &json!("https://id.example"))
        );
        assert_eq!(reply.header("cache-control"), "no-store");
    }
    for (authorization, code, scheme) in [
        (None, "unauthorized", "Bearer"),
        (Some("Bearer another"), "invalid_token", "Bearer"),
        (Some("Basic dGhlOmtleQ=="), "invalid_client", "Basic"),
        (Some("Basic ?"), "invalid_client", "Basic"),
    ] {
        let reply = introspect(&client, authorization, &login.access);
        reply.error(401, code);
        let challenge = reply.header("www-authenticate");
        assert!(challenge.starts_with(&format!("{scheme} realm=")));
    }
    // The key is also accepted as a client secret (RFC 6749 section 2.3.1).
    let secret = format!("Basic {}", STANDARD.encode(format!("api:{KEY}")));
    let reply = introspect(&client, Some(&secret), &login.access);
    assert_eq!(reply.json()["active"], true);
    let bearer = format!("Bearer {}", login.access);
    assert_eq!(
        introspect(&client, Some(&bearer), &login.access).status,
        401
    );
    let cookie = Browser::alice(&client, Transport::Session).cookies();
    let value = cookie.split_once('=').unwrap().1;
    assert_eq!(client.logout(&login.refresh).status, 204);
    for token in [&login.access, &login.refresh, "nonsense", "a.b.c", value] {
        let reply = introspect(&client, Some(&key), token);
        assert_eq!(
            (reply.status, reply.text.as_str()),
            (200, r#"{"active":false}"#)
        );
    }
    let headers = [FORM, ("authorization", key.as_str())];
    let reply = client.send(&Method::POST, "/auth/introspect", &headers, Some(b"x=y"));
    reply.error(400, "invalid_request");
    let metadata = get(&client, "/.well-known/oauth-authorization-server", &[]).json();
    let endpoint = metadata["introspection_endpoint"].as_str().unwrap();
    assert_eq!(endpoint, format!("{}/auth/introspect", server.url()));
}

/// RFC 7009: the answer is 200 for every token; the request must be a form that has one.
pub fn revocation_takes_either_token_and_any_hint(program: &str) {
    let (server, _files) = Server::start(program, &[]);
    let client = server.client();
    for hint in [
        "",
        "&token_type_hint=refresh_token",
        "&token_type_hint=nonsense",
    ] {
        let login = client.login("alice", "wonderland");
        let by_cookie = Browser::alice(&client, Transport::Cookie);
        let in_cookie = by_cookie.cookies();
        let in_cookie = in_cookie.split_once('=').unwrap().1;
        for token in [&login.access, in_cookie, "nonsense"] {
            let reply = client.post_form("/auth/revoke", &format!("token={token}{hint}"));
            assert_eq!((reply.status, reply.text.as_str()), (200, ""));
        }
        client.refresh(&login.refresh).refused_as("revoked");
        by_cookie.clone().has_ended("revoked");
    }
    for body in ["", "token=", "token_type_hint=x", "token=a&token=b"] {
        client
            .post_form("/auth/revoke", body)
            .error(400, "invalid_request");
    }
    let reply = client.post_json("/auth/revoke", &json!({ "token": "x" }));
    reply.error(415, "unsupported_media_type");
}

/// The public documents can be cached, and are not sent again if they have not changed.
pub fn public_documents_can_be_cached(program: &str) {
    let (server, _files) = Server::start(program, &["--alg", "ES256"]);
    let client = server.client();
    let path = "/.well-known/jwks.json";
    let keys = get(&client, path, &[]);
    let etag = keys.header("etag").to_owned();
    assert!(etag.starts_with('"') && etag.ends_with('"'), "{etag}");
    let key = &keys.json()["keys"][0];
    assert_eq!(
        (&key["kty"], &key["alg"], &key["use"]),
        (&json!("EC"), &json!("ES256"), &json!("sig"))
    );
    assert!(key.get("d").is_none());
    for (tags, status) in [
        (etag.as_str(), 304),
        (&format!("W/{etag}"), 304),
        (&format!("\"x\", {etag}"), 304),
        ("*", 304),
        ("\"x\"", 200),
    ] {
        let reply = get(&client, path, &[("if-none-match", tags)]);
        assert_eq!(reply.status, status, "{tags}");
        assert_eq!(reply.header("etag"), etag);
        assert_eq!(reply.text.is_empty(), status == 304);
    }
    let head = client.send(&Method::HEAD, path, &[], None);
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), keys.text.len().to_string());
    let metadata = get(&client, "/.well-known/oauth-authorization-server", &[]);
    assert_eq!(metadata.header("content-type"), "application/json");
    let metadata = metadata.json();
    for (member, path) in [
        ("jwks_uri", path),
        ("token_endpoint", "/auth/refresh"),
        ("revocation_endpoint", "/auth/revoke"),
    ] {
        assert_eq!(metadata[member], format!("{}{path}", server.url()));
    }
}

fn get(client: &Client, path: &str, headers: &[(&str, &str)]) -> Reply {
    client.send(&Method::GET, path, headers, None)
}

fn introspect(client: &Client, authorization: Option<&str>, token: &str) -> Reply {
    let mut headers = vec![FORM];
    headers.extend(authorization.map(|value| ("authorization", value)));
    let body = format!("token={token}");
    client.send(
        &Method::POST,
        "/auth/introspect",
        &headers,
        Some(body.as_bytes()),
    )
}
