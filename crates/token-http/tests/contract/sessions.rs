use std::sync::Arc;

use http::{Method, Request};
use serde_json::{Value, json};
use token_core::RevokeReason;
use token_session::{MemoryStore, RevocationCheck, WhenBehind};

use crate::world::{
    PASSWORD, World, get, post_json, refusal, request, with, with_bearer, with_cookie,
};

fn delete(path: &str) -> Request<&'static str> {
    request(Method::DELETE, path).body("").unwrap()
}

fn ids(list: &Value) -> Vec<&str> {
    let sessions = list["sessions"].as_array().unwrap();
    sessions
        .iter()
        .map(|session| session["session_id"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn the_list_has_every_live_session_of_the_subject() {
    let world = World::new();
    let header = world.login("header").await;
    let session = world.login("session").await;
    let bob = json!({"username": "bob", "password": PASSWORD});
    world.login_as(&bob).await;
    world.advance(299);
    let reply = world
        .send(with_bearer(
            get("/auth/sessions"),
            &header.text("access_token"),
        ))
        .await;
    let list = reply.json();
    assert_eq!(ids(&list).len(), 2);
    assert_eq!(reply.header("cache-control"), "no-store");
    let found = list["sessions"].as_array().unwrap().iter();
    let own = found
        .clone()
        .find(|item| item["session_id"] == header.json()["session_id"])
        .unwrap();
    assert_eq!(own["current"], true);
    assert_eq!(own["transport"], "header");
    assert_eq!(own["created_at"], 1_700_000_000);
    assert_eq!(own["expires_at"], 1_700_000_000 + 30 * 24 * 3600);
    // Coarse, and yet not before the session was opened.
    assert_eq!(own["last_seen_at"], 1_700_000_000);
    assert_eq!(
        own["device"],
        json!({"label": null, "user_agent": null, "ip_prefix": "192.0.2.0/24"})
    );
    let other = found
        .clone()
        .find(|item| item["session_id"] == session.json()["session_id"]);
    assert_eq!(other.unwrap()["current"], false);

    let current = world
        .send(with_bearer(
            get("/auth/session"),
            &header.text("access_token"),
        ))
        .await;
    assert_eq!(&current.json(), own);
    let by_cookie = world
        .send(with_cookie(get("/auth/session"), &session.cookie()))
        .await;
    assert_eq!(by_cookie.json()["transport"], "session");
    assert_eq!(by_cookie.json()["current"], true);

    world.advance(700);
    let body = json!({"refresh_token": header.text("refresh_token")});
    let renewed = world.send(post_json("/auth/refresh", &body)).await;
    let current = with_bearer(get("/auth/session"), &renewed.text("access_token"));
    let current = world.send(current).await.json();
    assert_eq!(current["last_seen_at"], (1_700_000_000 + 999) / 300 * 300);
}

#[tokio::test]
async fn a_subject_ends_only_its_own_sessions() {
    let world = World::new();
    let (own, other) = (world.login("header").await, world.login("header").await);
    let bob = world
        .login_as(&json!({"username": "bob", "password": PASSWORD}))
        .await;
    let token = own.text("access_token");
    let path = |id: &str| format!("/auth/sessions/{id}");
    let unknown = "A".repeat(24);
    for id in [
        bob.text("session_id"),
        unknown,
        "nonsense".into(),
        "%41".into(),
    ] {
        let reply = world.send(with_bearer(delete(&path(&id)), &token)).await;
        assert_eq!(reply.refusal(), refusal(404, "not_found", ""), "{id}");
    }
    let reply = world
        .send(with_bearer(get("/api/me"), &bob.text("access_token")))
        .await;
    assert_eq!(reply.status, 200);

    let end = path(&other.text("session_id"));
    let reply = world.send(with_bearer(delete(&end), &token)).await;
    assert_eq!((reply.status, reply.body.as_str()), (204, ""));
    let reply = world
        .send(with_bearer(get("/api/me"), &other.text("access_token")))
        .await;
    assert_eq!(reply.status, 401);
    let reply = world.send(with_bearer(delete(&end), &token)).await;
    assert_eq!(reply.status, 404);
}

#[tokio::test]
async fn ending_all_leaves_the_current_one_only_where_asked() {
    let world = World::new();
    let (first, second) = (world.login("header").await, world.login("header").await);
    let token = first.text("access_token");
    for query in [
        "?keep=",
        "?keep=other",
        "?keep=current&keep=current",
        "?kepp=current",
        "?keep=current&x=1",
    ] {
        let request = with_bearer(delete(&format!("/auth/sessions{query}")), &token);
        let reply = world.send(request).await;
        assert_eq!(
            reply.refusal(),
            refusal(400, "invalid_request", ""),
            "{query}"
        );
    }
    let reply = world
        .send(with_bearer(delete("/auth/sessions?keep=current"), &token))
        .await;
    assert_eq!(reply.status, 204);
    assert_eq!(
        world.send(with_bearer(get("/api/me"), &token)).await.status,
        200
    );
    let reply = world
        .send(with_bearer(get("/api/me"), &second.text("access_token")))
        .await;
    assert_eq!(reply.status, 401);

    assert_eq!(
        world
            .send(with_bearer(delete("/auth/sessions"), &token))
            .await
            .status,
        204
    );
    let reply = world
        .send(with_bearer(delete("/auth/sessions"), &token))
        .await;
    assert_eq!(reply.refusal(), refusal(401, "invalid_token", ""));
    assert!(
        reply
            .header("www-authenticate")
            .ends_with(r#"error_description="revoked""#)
    );
}

#[tokio::test]
async fn by_cookie_the_csrf_rule_holds() {
    let world = World::new();
    let cookie = world.login("session").await.cookie();
    let request = with(
        with(delete("/auth/sessions"), "cookie", &cookie),
        "origin",
        "https://evil.example",
    );
    let reply = world.send(request).await;
    assert_eq!(reply.refusal(), refusal(403, "csrf_failed", ""));
    let get = with(
        with(get("/auth/sessions"), "cookie", &cookie),
        "sec-fetch-site",
        "cross-site",
    );
    assert_eq!(ids(&world.send(get).await.json()).len(), 1);
    let reply = world
        .send(with_cookie(delete("/auth/sessions"), &cookie))
        .await;
    assert_eq!(reply.status, 204);
}

#[tokio::test]
async fn without_a_credential_nothing_is_shown_or_ended() {
    let world = World::new();
    for request in [
        get("/auth/session"),
        get("/auth/sessions"),
        delete("/auth/sessions"),
        delete("/auth/sessions/x"),
    ] {
        let reply = world.send(request).await;
        assert_eq!(reply.refusal(), refusal(401, "unauthorized", ""));
        assert_eq!(reply.header("www-authenticate"), r#"Bearer realm="api""#);
    }
}

/// A node remembers the session of a cookie for a moment after another node has ended it. By then the caller may
/// read a page, as the operations guide says, and nothing of this.
#[tokio::test]
async fn a_session_that_is_remembered_after_its_end_shows_and_ends_no_other() {
    let store = Arc::new(MemoryStore::new(1000, &[7; 32]));
    let node = || {
        World::managed(store.clone(), |builder| {
            let check = RevocationCheck::Feed(WhenBehind::AskStore);
            builder.revocation_check(check).session_cache(100)
        })
    };
    let (here, there) = (node(), node());
    let manager = here.auth.manager();
    let subject = "alice".parse().unwrap();
    for stepped_up in [false, true] {
        for (method, path) in [
            (Method::GET, "/auth/session"),
            (Method::GET, "/auth/sessions"),
            (Method::DELETE, "/auth/sessions"),
            (Method::DELETE, "/auth/sessions?keep=current"),
            (Method::DELETE, "/auth/sessions/OTHER"),
        ] {
            let other = here.login("header").await.text("session_id");
            let own = here.login("session").await;
            let cookie = own.cookie();
            let ask =
                async |line: Request<&'static str>| there.send(with_cookie(line, &cookie)).await;
            there.auth.manager().catch_up().await.unwrap();
            assert_eq!(ask(get("/api/me")).await.status, 200);
            if stepped_up {
                let body = json!({"password": PASSWORD});
                let request = post_json("/auth/step-up", &body);
                let renewed = here.send(with_cookie(request, &cookie)).await;
                assert_eq!(renewed.status, 200, "{}", renewed.body);
            } else {
                let id = own.text("session_id").parse().unwrap();
                let ended = manager.revoke_own(&subject, id, RevokeReason::Logout);
                assert!(ended.await.unwrap());
            }
            assert_eq!(
                ask(get("/api/me")).await.status,
                200,
                "it was not remembered"
            );

            let path = path.replace("OTHER", &other);
            let line = request(method.clone(), &path).body("").unwrap();
            let refused = ask(line).await;
            let revoked = (401, "invalid_token".to_owned(), String::new());
            assert_eq!(refused.refusal(), revoked, "{method} {path}, {stepped_up}");
            let other = manager.session(other.parse().unwrap()).await.unwrap();
            assert!(other.is_some(), "{method} {path}, {stepped_up}");
            // Nor is it remembered any longer.
            assert_eq!(ask(get("/api/me")).await.status, 401);
        }
    }
}
