use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Method, Request};
use serde_json::json;
use token_http::MAX_BODY;
use token_session::MemoryStore;
use token_session::test_util::{Injected, Trouble, TroubledStore};

use crate::world::{World, get, post_json, refusal, request, with, with_bearer, with_cookie};

const DELETED: [&str; 2] = [
    "__Host-Http-refresh=; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=0; Priority=High",
    "__Host-Http-session=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0; Priority=High",
];

fn logout() -> Request<&'static str> {
    request(Method::POST, "/auth/logout").body("").unwrap()
}

#[tokio::test]
async fn a_logout_answers_204_whether_or_not_there_was_a_session() {
    let world = World::new();
    for request in [
        logout(),
        with_bearer(logout(), "a.b.c"),
        with(logout(), "authorization", "Bearer two words"),
        with_cookie(
            logout(),
            "__Host-Http-session=nonsense; __Host-Http-refresh=nonsense",
        ),
    ] {
        let reply = world.send(request).await;
        assert_eq!((reply.status, reply.body.as_str()), (204, ""));
        assert_eq!(reply.set_cookies(), DELETED);
    }
}

#[tokio::test]
async fn every_genuine_credential_ends_its_session() {
    let world = World::new();
    let by_bearer = world.login("header").await;
    let by_body = world.login("header").await;
    let by_cookie = world.login("cookie").await;
    let by_session = [world.login("session").await, world.login("session").await];
    let cookies = format!(
        "{}; {}; {}",
        by_cookie.cookie(),
        by_session[0].cookie(),
        by_session[1].cookie()
    );
    // Expired, and still genuine.
    world.advance(600);
    let body = json!({"refresh_token": by_body.text("refresh_token")});
    let logout = with_cookie(post_json("/auth/logout", &body), &cookies);
    let reply = world
        .send(with_bearer(logout, &by_bearer.text("access_token")))
        .await;
    assert_eq!(reply.status, 204);
    assert_eq!(reply.set_cookies(), DELETED);

    for token in [&by_bearer, &by_body] {
        let body = json!({"refresh_token": token.text("refresh_token")});
        let reply = world.send(post_json("/auth/refresh", &body)).await;
        assert_eq!(reply.refusal(), refusal(400, "invalid_grant", "revoked"));
    }
    for session in &by_session {
        let reply = world
            .send(with_cookie(get("/api/me"), &session.cookie()))
            .await;
        assert_eq!(reply.refusal(), refusal(401, "invalid_token", ""));
    }
    let request = request(Method::POST, "/auth/refresh").body("").unwrap();
    let reply = world.send(with_cookie(request, &by_cookie.cookie())).await;
    assert_eq!(reply.refusal(), refusal(400, "invalid_grant", "revoked"));
}

#[tokio::test]
async fn two_bearer_tokens_end_two_sessions() {
    let world = World::new();
    let both = [world.login("header").await, world.login("header").await];
    let [one, other] = both.each_ref().map(|login| login.text("access_token"));
    let request = with_bearer(with_bearer(logout(), &one), &other);
    let reply = world
        .send(with(request, "authorization", "Basic YTpi"))
        .await;
    assert_eq!(reply.status, 204);
    for token in [&one, &other] {
        let reply = world.send(with_bearer(get("/api/me"), token)).await;
        assert_eq!(reply.refusal(), refusal(401, "invalid_token", ""));
    }
    // More than anybody sends, each of which could cost a call to the store.
    let many = (0..17).fold(logout(), |request, _| with_bearer(request, &one));
    let reply = world.send(many).await;
    assert_eq!(reply.refusal(), refusal(400, "invalid_request", ""));
}

#[tokio::test]
async fn a_superseded_refresh_token_still_logs_out() {
    let world = World::new();
    let first = world.login("header").await;
    let body = json!({"refresh_token": first.text("refresh_token")});
    let second = world.send(post_json("/auth/refresh", &body)).await;
    world.advance(3600);
    assert_eq!(
        world.send(post_json("/auth/logout", &body)).await.status,
        204
    );
    let body = json!({"refresh_token": second.text("refresh_token")});
    let reply = world.send(post_json("/auth/refresh", &body)).await;
    assert_eq!(reply.refusal(), refusal(400, "invalid_grant", "revoked"));
}

#[tokio::test]
async fn another_site_can_neither_log_out_nor_delete_cookies() {
    let world = World::new();
    let cookie = world.login("session").await.cookie();
    let request = with(
        with(logout(), "cookie", &cookie),
        "sec-fetch-site",
        "cross-site",
    );
    let reply = world.send(request).await;
    assert_eq!(reply.refusal(), refusal(403, "csrf_failed", ""));
    assert!(reply.set_cookies().is_empty());
    assert_eq!(
        world
            .send(with_cookie(get("/api/me"), &cookie))
            .await
            .status,
        200
    );

    // SameSite keeps the cookies from it; the answer must not reach them either.
    let reply = world
        .send(with(logout(), "sec-fetch-site", "cross-site"))
        .await;
    assert_eq!(reply.status, 204);
    assert!(reply.set_cookies().is_empty());
}

/// Generated clients send `null`, pages send beacons as `text/plain`, and a body may be cut off or too
/// long. The credential is in the cookie.
#[tokio::test]
async fn whatever_the_body_is_the_session_of_the_cookie_ends() {
    let world = World::new();
    let too_long = "x".repeat(MAX_BODY + 1);
    for transport in ["session", "cookie"] {
        for (media_type, body) in [
            ("application/json", "null"),
            ("application/json", "{}"),
            ("application/json", r#"{"refresh_token":null}"#),
            ("application/json", "{"),
            ("application/json", ""),
            ("text/plain", ""),
            ("text/plain;charset=UTF-8", "bye"),
            ("multipart/form-data; boundary=x", "--x--"),
            ("application/x-www-form-urlencoded", "a=1&a=2"),
            ("application/json", &too_long),
        ] {
            let opened = world.login(transport).await;
            let request = request(Method::POST, "/auth/logout").header("content-type", media_type);
            let request = request.body(body.to_owned()).unwrap();
            let reply = world.send(with_cookie(request, &opened.cookie())).await;
            assert_eq!(reply.status, 204, "{media_type} {body:.20}");
            assert_eq!(reply.set_cookies(), DELETED);
            let id = opened.text("session_id").parse().unwrap();
            let session = world.auth.manager().session(id).await.unwrap();
            assert!(session.is_none(), "{transport} {media_type} {body:.20}");
        }
    }
    // Without a cookie, what names no token is not a mistake either.
    for body in ["null", "{}", r#"{"refresh_token":null}"#] {
        let request = request(Method::POST, "/auth/logout");
        let request = request.header("content-type", "application/json");
        assert_eq!(world.send(request.body(body).unwrap()).await.status, 204);
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_read_ends_nothing() {
    let world = World::new();
    let token = world.login("header").await.text("access_token");
    for (media_type, body, status) in [
        ("text/plain", "x", 415),
        ("application/json", "{", 400),
        ("application/json", r#"{"refresh_token":1}"#, 400),
    ] {
        let request = request(Method::POST, "/auth/logout").header("content-type", media_type);
        let request = with_bearer(request.body(body).unwrap(), &token);
        assert_eq!(world.send(request).await.status, status);
    }
    assert_eq!(
        world.send(with_bearer(get("/api/me"), &token)).await.status,
        200
    );
}

/// Counts the calls of a store.
#[derive(Clone, Debug, Default)]
struct Calls(Arc<AtomicUsize>);

impl Trouble for Calls {
    async fn before(&self, _: &'static str) -> Result<(), Injected> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// A stranger can make up as many cookies as fit into a request.
#[tokio::test]
async fn a_logout_with_made_up_cookies_asks_the_store_once_for_each_of_four_at_most() {
    let calls = Calls::default();
    let store = TroubledStore::new(MemoryStore::new(1000, &[7; 32]), calls.clone());
    let world = World::on(store, |config| config);
    // Of the right form, so that only the store can know.
    let genuine = world.login("session").await.cookie();
    let (name, value) = genuine.split_once('=').unwrap();
    let turn = |byte: u8| if byte == b'A' { 'B' } else { 'A' };
    let made_up: Vec<String> = (0..16)
        .map(|place| {
            let (before, after) = value.split_at(place);
            let turned = turn(after.as_bytes()[0]);
            format!("{name}={before}{turned}{}", &after[1..])
        })
        .collect();
    for (cookies, status, most) in [(1, 204, 1), (4, 204, 4), (5, 400, 0), (16, 400, 0)] {
        calls.0.store(0, Ordering::Relaxed);
        let cookies = made_up[..cookies].join("; ");
        let reply = world.send(with_cookie(logout(), &cookies)).await;
        assert_eq!(reply.status, status);
        assert_eq!(calls.0.load(Ordering::Relaxed), most, "{cookies}");
    }
}
