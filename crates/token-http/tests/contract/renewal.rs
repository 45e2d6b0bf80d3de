use http::{Method, Request};
use serde_json::json;

use crate::world::{
    PASSWORD, World, get, post_form, post_json, refusal, request, with, with_bearer, with_cookie,
};

fn refresh(cookie: &str) -> Request<&'static str> {
    with_cookie(
        request(Method::POST, "/auth/refresh").body("").unwrap(),
        cookie,
    )
}

#[tokio::test]
async fn a_step_up_renews_the_credential_and_keeps_the_session() {
    let world = World::new();
    let login = world.login("header").await;
    world.advance(120);
    let body = json!({"password": PASSWORD, "refresh_token": login.text("refresh_token")});
    let reply = world.send(post_json("/auth/step-up", &body)).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.text("session_id"), login.text("session_id"));
    assert_ne!(reply.text("refresh_token"), login.text("refresh_token"));
    // Its answer was lost, and it is asked again.
    let again = world.send(post_json("/auth/step-up", &body)).await;
    assert_eq!(again.text("refresh_token"), reply.text("refresh_token"));
    // The older one is refused from then on, and the session lives on.
    let body = json!({"refresh_token": login.text("refresh_token")});
    let refused = world.send(post_json("/auth/refresh", &body)).await;
    assert_eq!(refused.refusal(), refusal(400, "invalid_grant", "revoked"));
    let body = json!({"refresh_token": reply.text("refresh_token")});
    assert_eq!(
        world.send(post_json("/auth/refresh", &body)).await.status,
        200
    );
}

#[tokio::test]
async fn both_cookies_step_up() {
    let world = World::new();
    for transport in ["cookie", "session"] {
        let login = world.login(transport).await;
        world.advance(1);
        let request = post_json("/auth/step-up", &json!({"password": PASSWORD}));
        let reply = world.send(with_cookie(request, &login.cookie())).await;
        assert_eq!(reply.status, 200, "{transport}: {}", reply.body);
        assert_ne!(reply.cookie(), login.cookie());
        assert_eq!(reply.text("session_id"), login.text("session_id"));
    }
}

#[tokio::test]
async fn a_dead_cookie_beside_a_live_one_is_passed_over() {
    let world = World::new();
    let dead = world.login("cookie").await.cookie();
    world.end_all().await;
    let live = world.login("session").await.cookie();
    let request = post_json("/auth/step-up", &json!({"password": PASSWORD}));
    let reply = world
        .send(with_cookie(request, &format!("{dead}; {live}")))
        .await;
    assert_eq!(reply.status, 200);

    let dead = reply.cookie();
    world.end_all().await;
    let live = world.login("cookie").await.cookie();
    let request = post_json("/auth/step-up", &json!({"password": PASSWORD}));
    let reply = world
        .send(with_cookie(request, &format!("{dead}; {live}")))
        .await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn an_access_token_alone_steps_nothing_up() {
    let world = World::new();
    let token = world.login("header").await.text("access_token");
    let request = post_json("/auth/step-up", &json!({"password": PASSWORD}));
    let reply = world.send(with_bearer(request, &token)).await;
    assert_eq!(reply.refusal(), refusal(400, "invalid_request", ""));
}

#[tokio::test]
async fn what_is_wrong_changes_nothing() {
    let world = World::new();
    let login = world.login("cookie").await;
    let wrong = post_json("/auth/step-up", &json!({"password": "x"}));
    let reply = world.send(with_cookie(wrong, &login.cookie())).await;
    assert_eq!(reply.refusal(), refusal(401, "invalid_credentials", ""));
    assert_eq!(reply.header("www-authenticate"), r#"Bearer realm="api""#);

    let body = json!({"password": PASSWORD, "refresh_token": "a.b.c"});
    let reply = world.send(post_json("/auth/step-up", &body)).await;
    assert_eq!(reply.refusal(), refusal(400, "invalid_grant", "malformed"));

    let request = post_json("/auth/step-up", &json!({"password": PASSWORD}));
    let request = with(
        with(request, "cookie", &login.cookie()),
        "sec-fetch-site",
        "cross-site",
    );
    let reply = world.send(request).await;
    assert_eq!(reply.refusal(), refusal(403, "csrf_failed", ""));

    let request = with_cookie(post_form("/auth/step-up", "password=x"), &login.cookie());
    assert_eq!(world.send(request).await.status, 415);

    assert_eq!(world.send(refresh(&login.cookie())).await.status, 200);
}

#[tokio::test]
async fn a_change_of_password_ends_every_other_session() {
    let world = World::new();
    let (other, own) = (world.login("session").await, world.login("session").await);
    let refused = json!({"password": PASSWORD, "new_password": "short"});
    let request = with_cookie(post_json("/auth/password", &refused), &own.cookie());
    let reply = world.send(request).await;
    assert_eq!(reply.refusal(), refusal(400, "invalid_request", ""));
    assert_eq!(
        world
            .send(with_cookie(get("/api/me"), &other.cookie()))
            .await
            .status,
        200
    );

    let body = json!({"password": PASSWORD, "new_password": "looking-glass"});
    let reply = world
        .send(with_cookie(
            post_json("/auth/password", &body),
            &own.cookie(),
        ))
        .await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.text("session_id"), own.text("session_id"));
    assert_eq!(
        world
            .send(with_cookie(get("/api/me"), &other.cookie()))
            .await
            .status,
        401
    );
    assert_eq!(
        world
            .send(with_cookie(get("/api/me"), &reply.cookie()))
            .await
            .status,
        200
    );
}
