//! The example with roles in a database, from the login to the demotion.

#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "a test, of an example with a `main`"
)]

#[path = "../examples/roles.rs"]
mod roles;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use hallpass::test_util::TestManager;
use hallpass::{Auth, AuthConfig, MemoryStore, Policy};
use roles::{App, Roles, app};
use tower_service::Service as _;

#[tokio::test]
async fn who_loses_a_role_has_lost_it_in_the_next_request() {
    let roles = Roles::default();
    for (user, role) in [("alice", "moderator"), ("bob", "moderator")] {
        roles.set(&user.parse().unwrap(), role);
    }
    let store = MemoryStore::with_capacity(100);
    let hook = roles.clone();
    let test =
        TestManager::with_store(store, Policy::default(), |builder| builder.on_refresh(hook));
    let config = AuthConfig::builder("https://app.example".parse().unwrap())
        .build()
        .unwrap();
    let auth = Auth::new(test.manager.clone(), config);
    let app = app(App { auth, roles });
    let send = async |path: &str, field: (&str, &str), body: String| {
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/json")
            .header("sec-fetch-site", "same-origin")
            .header(field.0, field.1)
            .body(Body::from(body))
            .expect("a request");
        let reply = app.clone().call(request).await.expect("an answer");
        let cookie = reply.headers().get(header::SET_COOKIE).map(|field| {
            let text = field.to_str().expect("visible");
            text.split(';').next().expect("a cookie").to_owned()
        });
        let status = reply.status();
        let body = axum::body::to_bytes(reply.into_body(), 10_000)
            .await
            .expect("a body");
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        (status, cookie, body)
    };
    let login = |name: &str, transport: &str| {
        format!(r#"{{"username":"{name}","password":"wonderland","transport":"{transport}"}}"#)
    };
    let nothing = ("x-nothing", "");
    let (_, _, of_alice) = send("/auth/login", nothing, login("alice", "header")).await;
    let alice = format!(
        "Bearer {}",
        of_alice["access_token"].as_str().expect("a token")
    );
    let (_, cookie, _) = send("/auth/login", nothing, login("bob", "session")).await;
    let cookie = cookie.expect("a cookie");
    let (_, _, of_bob) = send("/auth/login", nothing, login("bob", "header")).await;
    assert_eq!(of_bob["scope"], "posts:write posts:hide");
    let bob = format!(
        "Bearer {}",
        of_bob["access_token"].as_str().expect("a token")
    );
    for (field, value) in [("cookie", &cookie), ("authorization", &bob)] {
        let (status, ..) = send("/posts/hide", (field, value), String::new()).await;
        assert_eq!(status, StatusCode::OK);
    }
    let demote = "/users/bob/role/author";
    let (status, ..) = send(demote, ("authorization", &alice), String::new()).await;
    assert_eq!(status, StatusCode::OK);
    // At once: by the cookie, and by the token that is out, because the rule asks.
    for (field, value) in [("cookie", &cookie), ("authorization", &bob)] {
        let (status, _, body) = send("/posts/hide", (field, value), String::new()).await;
        assert_eq!(
            (status, &body["error"]),
            (StatusCode::FORBIDDEN, &"forbidden".into())
        );
    }
    // And the next tokens say so too.
    let refresh = serde_json::json!({ "refresh_token": of_bob["refresh_token"] }).to_string();
    let (_, _, renewed) = send("/auth/refresh", nothing, refresh).await;
    assert_eq!(renewed["scope"], "posts:write");
}
