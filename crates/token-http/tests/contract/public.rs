use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Request};
use serde_json::json;
use token_http::Route;
use token_session::{MemoryStore, RevocationCheck};

use crate::world::{OWN, World, get, post_form, post_json, refusal, request, with, with_bearer};

const KEY: &str = "the-key-of-a-resource-server";

async fn introspect(world: &World, token: &str) -> serde_json::Value {
    let request = post_form(
        "/auth/introspect",
        &format!("token={token}&token_type_hint=x"),
    );
    let reply = world.send(with_bearer(request, KEY)).await;
    assert_eq!(reply.status, 200);
    reply.json()
}

#[tokio::test]
async fn introspection_tells_what_is_live_and_nothing_else() {
    let world = World::with(|config| config.introspection_key(KEY));
    let login = world.login("header").await;
    let access = introspect(&world, &login.text("access_token")).await;
    assert_eq!(access["active"], true);
    assert_eq!(access["sub"], "alice");
    assert_eq!(access["scope"], "notes:read notes:write");
    assert_eq!(access["client_id"], "default");
    assert_eq!(access["token_type"], "Bearer");
    assert_eq!(access["exp"], 1_700_000_300);
    assert_eq!(access["sid"], login.json()["session_id"]);
    let first = login.text("refresh_token");
    assert_eq!(introspect(&world, &first).await["active"], true);

    let reply = world
        .send(post_json("/auth/refresh", &json!({"refresh_token": first})))
        .await;
    for dead in [&first, "nonsense", &"a".repeat(9000)] {
        assert_eq!(introspect(&world, dead).await, json!({"active": false}));
    }
    world.end_all().await;
    for token in [reply.text("access_token"), reply.text("refresh_token")] {
        assert_eq!(introspect(&world, &token).await, json!({"active": false}));
    }
}

/// Also where requests of our own are not checked against the store.
#[tokio::test]
async fn introspection_asks_the_store_however_requests_are_checked() {
    let store = MemoryStore::new(1000, &[7; 32]);
    let world = World::checking(RevocationCheck::None, store, |config| {
        config.introspection_key(KEY)
    });
    let token = world.login("header").await.text("access_token");
    assert_eq!(introspect(&world, &token).await["active"], true);
    world.end_all().await;
    assert_eq!(introspect(&world, &token).await, json!({"active": false}));
    let me = world.send(with_bearer(get("/api/me"), &token)).await;
    assert_eq!(me.status, 200, "that is what `None` means");
}

#[tokio::test]
async fn introspection_demands_a_key() {
    let world = World::with(|config| config.introspection_key(KEY));
    let reply = world.send(post_form("/auth/introspect", "token=x")).await;
    assert_eq!(reply.refusal(), refusal(401, "unauthorized", ""));
    let reply = world
        .send(with_bearer(
            post_form("/auth/introspect", "token=x"),
            "wrong",
        ))
        .await;
    assert_eq!(reply.refusal(), refusal(401, "invalid_token", ""));
    assert!(!reply.header("www-authenticate").is_empty());
    for (request, status) in [
        (post_form("/auth/introspect", "x=y"), 400),
        (post_form("/auth/introspect", "token="), 400),
        (post_form("/auth/introspect", "token=a&token=b"), 400),
        (post_json("/auth/introspect", &json!({"token": "x"})), 415),
    ] {
        assert_eq!(world.send(with_bearer(request, KEY)).await.status, status);
    }
    let without = World::new();
    let reply = without
        .send(with_bearer(post_form("/auth/introspect", "token=x"), KEY))
        .await;
    assert_eq!(reply.refusal(), refusal(404, "not_found", ""));
}

#[tokio::test]
async fn the_key_may_come_as_a_clients_secret() {
    let key = "a+key/of~many-letters==";
    let world = World::with(|config| config.introspection_key(key));
    let ask = |secret: &str| {
        let sent = STANDARD.encode(format!("api:{secret}"));
        let request = post_form("/auth/introspect", "token=x");
        with(request, "authorization", &format!("Basic {sent}"))
    };
    // As it is, and as RFC 6749 section 2.3.1 has it.
    for good in [key, "a%2Bkey%2Fof~many-letters%3D%3D"] {
        let reply = world.send(ask(good)).await;
        assert_eq!(
            (reply.status, reply.json()),
            (200, json!({"active": false}))
        );
    }
    for bad in ["", "another-key-of-many-letters", "a key/of~many-letters=="] {
        let reply = world.send(ask(bad)).await;
        assert_eq!(reply.refusal(), refusal(401, "invalid_client", ""), "{bad}");
        assert_eq!(reply.header("www-authenticate"), r#"Basic realm="api""#);
    }
}

#[tokio::test]
async fn revocation_ends_the_session_of_either_token() {
    for kind in ["access_token", "refresh_token"] {
        let world = World::new();
        let login = world.login("header").await;
        let form = format!("token={}", login.text(kind));
        let reply = world.send(post_form("/auth/revoke", &form)).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, ""));
        let reply = world
            .send(with_bearer(get("/api/me"), &login.text("access_token")))
            .await;
        assert_eq!(reply.refusal(), refusal(401, "invalid_token", ""));
        assert!(reply.header("www-authenticate").contains("revoked"));
    }
}

#[tokio::test]
async fn revocation_answers_200_whatever_the_token_is() {
    let world = World::new();
    for token in ["nonsense", "a.b.c", &"a".repeat(9000)] {
        let form = format!("token={token}&token_type_hint=nonsense");
        assert_eq!(
            world.send(post_form("/auth/revoke", &form)).await.status,
            200
        );
    }
    for (request, status) in [
        (post_form("/auth/revoke", ""), 400),
        (
            post_form("/auth/revoke", "token_type_hint=access_token"),
            400,
        ),
        (post_json("/auth/revoke", &json!({"token": "x"})), 415),
    ] {
        assert_eq!(world.send(request).await.status, status);
    }
}

#[tokio::test]
async fn the_key_set_is_public_and_cached() {
    let world = World::new();
    let reply = world.send(get("/.well-known/jwks.json")).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), "application/jwk-set+json");
    assert_eq!(reply.header("cache-control"), "public, max-age=300");
    assert!(reply.body.starts_with(r#"{"keys":[{"#) && !reply.body.contains(r#""d":"#));
    let etag = reply.header("etag").to_owned();
    for tags in [&etag, &format!("W/{etag}"), &format!("\"x\", {etag}"), "*"] {
        let request = with(get("/.well-known/jwks.json"), "if-none-match", tags);
        let reply = world.send(request).await;
        assert_eq!((reply.status, reply.body.as_str()), (304, ""), "{tags}");
        assert_eq!(reply.header("etag"), etag);
        assert_eq!(reply.header("cache-control"), "public, max-age=300");
    }
    let request = with(get("/.well-known/jwks.json"), "if-none-match", "\"x\"");
    assert_eq!(world.send(request).await.status, 200);
}

#[tokio::test]
async fn the_metadata_is_configured_and_never_taken_from_a_request() {
    let world = World::with(|config| config.introspection_key(KEY).prefix("/a"));
    let request = get("/.well-known/oauth-authorization-server");
    let reply = world.send(with(request, "host", "evil.example")).await;
    assert_eq!(
        reply.json(),
        json!({
            "issuer": "https://issuer.example",
            "jwks_uri": format!("{OWN}/.well-known/jwks.json"),
            "token_endpoint": format!("{OWN}/a/refresh"),
            "grant_types_supported": ["refresh_token"],
            "token_endpoint_auth_methods_supported": ["none"],
            "revocation_endpoint": format!("{OWN}/a/revoke"),
            "revocation_endpoint_auth_methods_supported": ["none"],
            "introspection_endpoint": format!("{OWN}/a/introspect"),
            "introspection_endpoint_auth_methods_supported": ["Bearer", "client_secret_basic"],
        })
    );
    let plain = World::new()
        .send(get("/.well-known/oauth-authorization-server"))
        .await;
    assert!(plain.json().get("introspection_endpoint").is_none());
}

#[tokio::test]
async fn a_wrong_method_is_answered_with_the_right_ones() {
    let world = World::with(|config| config.introspection_key(KEY));
    for route in Route::mounted(&world.auth) {
        let path = route.path(&world.auth).replace("{session_id}", "x");
        let request: Request<&str> = request(Method::PUT, &path).body("").unwrap();
        let reply = world.send(request).await;
        assert_eq!(
            reply.refusal(),
            refusal(405, "method_not_allowed", ""),
            "{path}"
        );
        assert_eq!(reply.header("allow"), route.allow());
    }
}

#[tokio::test]
async fn head_is_get_without_a_body_to_send() {
    let world = World::new();
    let head = request(Method::HEAD, "/.well-known/jwks.json")
        .body("")
        .unwrap();
    assert_eq!(world.send(head).await.status, 200);
}

/// Behind a proxy that passes on only one path.
#[tokio::test]
async fn the_key_set_can_be_below_the_prefix() {
    let world = World::with(|config| config.prefix("/app/auth").jwks_path("/app/jwks.json"));
    let metadata = world
        .send(get("/.well-known/oauth-authorization-server"))
        .await;
    assert_eq!(metadata.json()["jwks_uri"], format!("{OWN}/app/jwks.json"));
    // There is no authorization endpoint, and RFC 8414 section 3.2 wants no empty lists.
    assert!(metadata.json().get("response_types_supported").is_none());
    let keys = world.send(get("/app/jwks.json")).await;
    assert_eq!(keys.status, 200);
    assert_eq!(keys.header("content-type"), "application/jwk-set+json");
}
