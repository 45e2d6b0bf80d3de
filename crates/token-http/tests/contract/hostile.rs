//! What somebody would try who means harm.

use http::{Method, Request};
use serde_json::json;

use crate::world::{
    OWN, PASSWORD, World, get, post_json, refusal, request, with, with_bearer, with_cookie,
};

fn empty(method: Method, path: &str) -> Request<&'static str> {
    request(method, path).body("").unwrap()
}

/// A subdomain can plant a cookie whose name begins with a space of Unicode: a browser does not
/// see `__Host-` in it, and sends it here.
#[tokio::test]
async fn a_cookie_that_a_subdomain_planted_is_not_ours() {
    let world = World::new();
    let thiefs = world.login("session").await.cookie();
    let own = world.login("session").await;
    for space in ["\u{a0}", "\u{2000}", "\u{3000}"] {
        let mut planted = empty(Method::GET, "/api/me");
        let value = format!("{space}{thiefs}");
        planted
            .headers_mut()
            .append("cookie", value.try_into().unwrap());
        assert_eq!(
            world.send(planted).await.refusal(),
            refusal(401, "unauthorized", "")
        );

        let mut beside = empty(Method::GET, "/api/me");
        let value = format!("{space}{thiefs}; {}", own.cookie());
        beside
            .headers_mut()
            .append("cookie", value.try_into().unwrap());
        assert_eq!(world.send(beside).await.body, own.text("session_id"));
    }
}

#[tokio::test]
async fn more_cookies_than_a_browser_has_cost_no_call_to_the_store() {
    let world = World::new();
    let login = world.login("session").await;
    let cookies = vec![login.cookie(); 17].join("; ");
    let reply = world
        .send(with_cookie(empty(Method::POST, "/auth/logout"), &cookies))
        .await;
    assert_eq!(reply.refusal(), refusal(400, "invalid_request", ""));
    let body = json!({"username": "alice", "password": PASSWORD});
    let reply = world
        .send(with_cookie(post_json("/auth/login", &body), &cookies))
        .await;
    assert_eq!(reply.refusal(), refusal(400, "invalid_request", ""));
    let reply = world
        .send(with_cookie(get("/api/me"), &login.cookie()))
        .await;
    assert_eq!(reply.status, 200);
}

/// Beside a dead session cookie too, a token from a body does not count in a cookie.
#[tokio::test]
async fn a_token_is_not_moved_into_a_cookie_behind_a_dead_one() {
    let world = World::new();
    let dead = world.login("session").await.cookie();
    world.end_all().await;
    let token = world.login("header").await.text("refresh_token");
    let request = post_json("/auth/step-up", &json!({"password": PASSWORD}));
    let cookies = format!("{dead}; __Host-Http-refresh={token}");
    let reply = world.send(with_cookie(request, &cookies)).await;
    assert_eq!(reply.refusal(), refusal(400, "invalid_grant", "malformed"));
}

/// The limit counts by the address that the trusted proxy saw, whatever stands before it.
#[tokio::test]
async fn nothing_in_front_hides_the_address_that_a_proxy_added() {
    let world = World::with(|config| config.trust_proxy("192.0.2.0/24".parse().unwrap()));
    for (field, expected) in [
        (&b"\xff\xfe, 203.0.113.9"[..], Some("203.0.113.9")),
        (b"198.51.100.1, 203.0.113.9:4711", Some("203.0.113.9")),
        (b"[2001:db8::7]:4711", Some("2001:db8::7")),
        (b"203.0.113.9, 192.0.2.1", Some("203.0.113.9")),
        (b"::ffff:203.0.113.9", Some("203.0.113.9")),
        (b"203.0.113.9, \xff", Some("192.0.2.77")),
        (b"", Some("192.0.2.77")),
    ] {
        let mut request = empty(Method::GET, "/");
        let value = http::HeaderValue::from_bytes(field).unwrap();
        request.headers_mut().append("x-forwarded-for", value);
        let head = token_http::Head {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            peer: Some("192.0.2.77".parse().unwrap()),
        };
        let found = world
            .auth
            .client_address(&head)
            .map(|address| address.to_string());
        assert_eq!(
            found.as_deref(),
            expected,
            "{:?}",
            String::from_utf8_lossy(field)
        );
    }
}

/// A cookie needs no password to be deleted by, and no genuine one to be passed over; what comes
/// along with it in other fields changes nothing.
#[tokio::test]
async fn no_field_but_those_of_the_contract_speaks_for_a_request() {
    let world = World::new();
    let login = world.login("session").await;
    for (name, value) in [
        ("host", "own.example"),
        ("x-forwarded-host", "own.example"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "host=own.example;proto=https"),
        ("x-http-method-override", "GET"),
        ("x-requested-with", "XMLHttpRequest"),
        ("origin", "null"),
        ("origin", "https://own.example.evil.example"),
        ("origin", "https://own.example:+443"),
        ("origin", "https://own.example, https://own.example"),
        ("origin", ""),
        ("referer", "https://evil.example/https://own.example/"),
        ("sec-fetch-site", "Same-Origin"),
        ("sec-fetch-site", ""),
    ] {
        let request = with(
            empty(Method::POST, "/auth/logout"),
            "cookie",
            &login.cookie(),
        );
        let reply = world.send(with(request, name, value)).await;
        assert_eq!(
            reply.refusal(),
            refusal(403, "csrf_failed", ""),
            "{name}: {value}"
        );
    }
    let reply = world
        .send(with(get("/api/me"), "cookie", &login.cookie()))
        .await;
    assert_eq!(reply.status, 200);
    let request = with(
        empty(Method::POST, "/auth/logout"),
        "cookie",
        &login.cookie(),
    );
    assert_eq!(world.send(with(request, "origin", OWN)).await.status, 204);
}

/// A logout ends every session of which a credential is there, and one bad neighbour saves none.
#[tokio::test]
async fn a_broken_credential_beside_a_genuine_one_saves_no_session() {
    let world = World::new();
    let (bearer, cookie) = (world.login("header").await, world.login("session").await);
    world.advance(400);
    let cookies = format!(
        "__Host-Http-session=planted; {}; __Host-Http-refresh=x",
        cookie.cookie()
    );
    let logout = with_cookie(empty(Method::POST, "/auth/logout"), &cookies);
    let reply = world
        .send(with_bearer(logout, &bearer.text("access_token")))
        .await;
    assert_eq!(reply.status, 204);
    let reply = world
        .send(with_cookie(get("/api/me"), &cookie.cookie()))
        .await;
    assert_eq!(reply.refusal(), refusal(401, "invalid_token", ""));
    let body = json!({"refresh_token": bearer.text("refresh_token")});
    let reply = world.send(post_json("/auth/refresh", &body)).await;
    assert_eq!(reply.refusal(), refusal(400, "invalid_grant", "revoked"));
}
