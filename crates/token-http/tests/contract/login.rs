use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use serde_json::json;
use token_core::{NoClaims, Transport};
use token_http::{Attempt, AttemptKind, Shown};

use crate::world::{
    OWN, PASSWORD, World, get, post_form, post_json, refusal, request, with, with_bearer,
    with_cookie,
};

#[tokio::test]
async fn a_login_gets_a_transport_that_is_on_offer() {
    let login = |transport: &str| {
        let transport = match transport {
            "" => String::new(),
            name => format!(r#","transport":"{name}""#),
        };
        let body = format!(r#"{{"username":"alice","password":"{PASSWORD}"{transport}}}"#);
        post_json("/auth/login", &serde_json::from_str(&body).unwrap())
    };
    let world = World::with(|config| config.transports([Transport::Session, Transport::Cookie]));
    for (asked, cookie) in [
        ("", "__Host-Http-session="),
        ("session", "__Host-Http-session="),
        ("cookie", "__Host-Http-refresh="),
    ] {
        let reply = world.send(login(asked)).await;
        assert!(reply.cookie().starts_with(cookie), "{asked}: {reply:?}");
    }
    let refused = world.send(login("header")).await;
    assert_eq!(refused.refusal(), refusal(400, "invalid_request", ""));
}

const MONTH: u64 = 30 * 24 * 3600;

#[tokio::test]
async fn transport_header_answers_with_both_tokens() {
    let world = World::new();
    let reply = world.login("header").await;
    let body = reply.json();
    let members: Vec<&str> = body
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(members.len(), 11, "{members:?}");
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["server_time"], 1_700_000_000);
    assert_eq!(body["expires_in"], 300);
    assert_eq!(body["access_expires_at"], 1_700_000_300);
    assert_eq!(body["refresh_expires_in"], MONTH);
    assert_eq!(body["refresh_expires_at"], 1_700_000_000 + MONTH);
    assert_eq!(body["refresh_grace"], 30);
    assert_eq!(body["scope"], "notes:read notes:write");
    assert_eq!(reply.header("cache-control"), "no-store");
    assert_eq!(reply.header("pragma"), "no-cache");
    assert!(reply.set_cookies().is_empty());
    // The order of the contract, which people read.
    assert!(
        reply
            .body
            .starts_with(r#"{"token_type":"Bearer","access_token":""#)
    );
}

#[tokio::test]
async fn transport_cookie_keeps_the_refresh_token_out_of_the_body() {
    let reply = World::new().login("cookie").await;
    let cookie = reply.cookie();
    let field = format!("{cookie}; HttpOnly; SameSite=Strict; Secure; Path=/; Priority=High");
    assert_eq!(reply.set_cookies(), [field]);
    let (name, value) = cookie.split_once('=').unwrap();
    assert_eq!(name, "__Host-Http-refresh");
    assert!(!reply.body.contains(value) && reply.json().get("refresh_token").is_none());
    assert_eq!(reply.json()["refresh_expires_in"], MONTH);
}

#[tokio::test]
async fn transport_session_gives_an_opaque_cookie_and_no_token() {
    let reply = World::new().login("session").await;
    let field = format!(
        "{}; HttpOnly; SameSite=Lax; Secure; Path=/; Priority=High",
        reply.cookie()
    );
    assert_eq!(reply.set_cookies(), [field]);
    assert!(reply.cookie().starts_with("__Host-Http-session="));
    let body = reply.json();
    assert_eq!(body["session_expires_in"], MONTH);
    assert_eq!(body["session_expires_at"], 1_700_000_000 + MONTH);
    assert_eq!(body["server_time"], 1_700_000_000);
    assert_eq!(body.as_object().unwrap().len(), 4);
}

#[tokio::test]
async fn a_remembered_cookie_lives_as_long_as_its_session() {
    let world = World::new();
    for transport in ["cookie", "session"] {
        let body = json!({"username": "alice", "password": PASSWORD,
                          "transport": transport, "remember": true});
        let reply = world.login_as(&body).await;
        let max_age = format!("; Max-Age={}; Priority=High", 3 * MONTH);
        assert!(reply.set_cookies()[0].ends_with(&max_age), "{reply:?}");
    }
}

#[tokio::test]
async fn unknown_user_and_wrong_password_get_the_same_answer() {
    let world = World::new();
    let wrong = json!({"username": "alice", "password": "x"});
    let unknown = json!({"username": "\u{1}", "password": PASSWORD});
    for body in [wrong, unknown] {
        let reply = world.send(post_json("/auth/login", &body)).await;
        assert_eq!(reply.status, 401);
        assert_eq!(reply.body, r#"{"error":"invalid_credentials"}"#);
        assert_eq!(reply.header("www-authenticate"), r#"Bearer realm="api""#);
    }
}

#[tokio::test]
async fn what_is_not_strict_json_is_an_invalid_request() {
    let world = World::new();
    for body in [
        r#"{"username":"alice"}"#,
        r#"{"username":"alice","password":"wonderland","password":"x"}"#,
        r#"{"username":"alice","password":7}"#,
        r#"{"username":"alice","password":"wonderland"} x"#,
        r#"{"username":"alice","password":"wonderland","remember":1}"#,
        r#"{"username":"alice","password":"wonderland","transport":"carrier pigeon"}"#,
        r#"{"username":"alice","password":"wonderland","client_id":"a b"}"#,
        r#"["alice","wonderland"]"#,
    ] {
        let request = request(Method::POST, "/auth/login");
        let request = request
            .header("content-type", "application/json")
            .body(body);
        let reply = world.send(request.unwrap()).await;
        assert_eq!(
            reply.refusal(),
            refusal(400, "invalid_request", ""),
            "{body}"
        );
    }
    let reply = world
        .send(post_form(
            "/auth/login",
            "username=alice&password=wonderland",
        ))
        .await;
    assert_eq!(reply.refusal(), refusal(415, "unsupported_media_type", ""));
}

#[tokio::test]
async fn another_site_cannot_log_the_user_in() {
    let world = World::new();
    let body = json!({"username": "alice", "password": PASSWORD});
    for site in ["cross-site", "same-site"] {
        let request = with(post_json("/auth/login", &body), "sec-fetch-site", site);
        let reply = world.send(request).await;
        assert_eq!(reply.refusal(), refusal(403, "csrf_failed", ""));
    }
    let request = with(post_json("/auth/login", &body), "origin", OWN);
    assert_eq!(world.send(request).await.status, 200);
}

#[tokio::test]
async fn a_login_ends_the_sessions_whose_cookies_came_with_it() {
    let world = World::new();
    let (first, second) = (world.login("session").await, world.login("session").await);
    let third = world.login("cookie").await;
    let body = json!({"username": "alice", "password": PASSWORD, "transport": "session"});
    let (first, second, third) = (first.cookie(), second.cookie(), third.cookie());
    // Two cookies of one name: a login goes on and ends both.
    let request = with_cookie(
        post_json("/auth/login", &body),
        &format!("{first}; {second}"),
    );
    let reply = world.send(with(request, "cookie", &third)).await;
    assert_eq!(reply.status, 200);
    assert!(![&first, &second].contains(&&reply.cookie()));
    for cookie in [&first, &second] {
        let reply = world.send(with_cookie(get("/api/me"), cookie)).await;
        assert_eq!(reply.refusal(), refusal(401, "invalid_token", ""));
    }
    let refresh = with_cookie(request_without_body("/auth/refresh"), &third);
    let refused = world.send(refresh).await;
    assert_eq!(refused.refusal(), refusal(400, "invalid_grant", "revoked"));
    let live = world
        .send(with_cookie(get("/api/me"), &reply.cookie()))
        .await;
    assert_eq!(live.status, 200);
}

#[tokio::test]
async fn a_failed_login_ends_nothing() {
    let world = World::new();
    let cookie = world.login("session").await.cookie();
    let body = json!({"username": "alice", "password": "x"});
    let reply = world
        .send(with_cookie(post_json("/auth/login", &body), &cookie))
        .await;
    assert_eq!(reply.status, 401);
    assert!(reply.set_cookies().is_empty());
    let reply = world.send(with_cookie(get("/api/me"), &cookie)).await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn a_cookie_that_we_did_not_issue_is_never_adopted() {
    let world = World::new();
    let forged = "__Host-Http-session=".to_owned() + &"A".repeat(67);
    let body = json!({"username": "alice", "password": PASSWORD, "transport": "session"});
    let reply = world
        .send(with_cookie(post_json("/auth/login", &body), &forged))
        .await;
    assert_eq!(reply.status, 200);
    assert_ne!(reply.cookie(), forged);
    for cookie in [
        forged,
        format!("__Host-Http-session={}", "A".repeat(4096)),
        "__Host-Http-session=".into(),
    ] {
        let reply = world.send(with_cookie(get("/api/me"), &cookie)).await;
        assert_eq!(reply.refusal(), refusal(401, "invalid_token", ""));
        assert!(reply.set_cookies().is_empty());
    }
}

/// A refresh token's payload has the session id and a secret: enough to write something that
/// looks like a session cookie.
#[tokio::test]
async fn a_session_cookie_made_from_a_refresh_token_is_never_adopted() {
    let world = World::new();
    for transport in ["header", "cookie"] {
        let login = world.login(transport).await;
        let token = match transport {
            "header" => login.text("refresh_token"),
            _ => login.cookie().split_once('=').unwrap().1.to_owned(),
        };
        let payload = token.split('.').nth(1).unwrap();
        let payload = URL_SAFE_NO_PAD.decode(payload).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        let decode = |name: &str| {
            URL_SAFE_NO_PAD
                .decode(claims[name].as_str().unwrap())
                .unwrap()
        };
        let value = URL_SAFE_NO_PAD.encode([decode("sid"), decode("jti")].concat());
        let cookie = format!("__Host-Http-session={value}");
        let reply = world.send(with_cookie(get("/api/me"), &cookie)).await;
        assert_eq!(reply.refusal(), refusal(401, "invalid_token", ""));
        let step_up = post_json("/auth/step-up", &json!({"password": PASSWORD}));
        let reply = world.send(with_cookie(step_up, &cookie)).await;
        assert_eq!(reply.refusal(), refusal(400, "invalid_grant", "malformed"));
    }
}

#[tokio::test]
async fn the_hook_limits_attempts() {
    let world = World::with(|config| {
        config.limit(|attempt: Attempt<'_>| {
            assert_eq!(attempt.address, Some("192.0.2.77".parse().unwrap()));
            match attempt.kind {
                AttemptKind::Login("alice") => Err(Duration::from_millis(1500)),
                _ => Ok(()),
            }
        })
    });
    let body = json!({"username": "alice", "password": PASSWORD});
    let reply = world.send(post_json("/auth/login", &body)).await;
    assert_eq!(reply.refusal(), refusal(429, "too_many_requests", ""));
    assert_eq!(reply.header("retry-after"), "2");
    let body = json!({"username": "bob", "password": PASSWORD});
    assert_eq!(
        world.send(post_json("/auth/login", &body)).await.status,
        200
    );
}

#[tokio::test]
async fn a_device_is_kept_with_its_session() {
    let world = World::new();
    let body = json!({"username": "alice", "password": PASSWORD});
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
    let reply = world
        .send(with(post_json("/auth/login", &body), "user-agent", agent))
        .await;
    let token = reply.text("access_token");
    let reply = world.send(with_bearer(get("/auth/session"), &token)).await;
    assert_eq!(
        reply.json()["device"],
        json!({"label": "Firefox on Linux", "user_agent": agent, "ip_prefix": "192.0.2.0/24"})
    );
}

#[tokio::test]
async fn only_a_trusted_proxy_says_where_a_request_came_from() {
    for (trusted, forwarded, expected) in [
        ("198.51.100.0/24", "203.0.113.9", "192.0.2.0/24"),
        ("192.0.2.0/24", "203.0.113.9", "203.0.113.0/24"),
        (
            "192.0.2.0/24",
            "6.6.6.6, 203.0.113.9, 192.0.2.5",
            "203.0.113.0/24",
        ),
        ("192.0.2.0/24", "203.0.113.9, nonsense", "192.0.2.0/24"),
    ] {
        let world = World::with(|config| config.trust_proxy(trusted.parse().unwrap()));
        let body = json!({"username": "alice", "password": PASSWORD});
        let request = with(
            post_json("/auth/login", &body),
            "x-forwarded-for",
            forwarded,
        );
        let token = world.send(request).await.text("access_token");
        let reply = world.send(with_bearer(get("/auth/session"), &token)).await;
        assert_eq!(reply.json()["device"]["ip_prefix"], expected, "{forwarded}");
    }
}

fn request_without_body(path: &str) -> http::Request<&'static str> {
    request(Method::POST, path).body("").unwrap()
}

/// Generated clients write every member that their schema has.
#[tokio::test]
async fn optional_members_may_be_null() {
    let world = World::new();
    let body = json!({
        "username": "alice", "password": PASSWORD,
        "remember": null, "transport": null, "client_id": null,
    });
    let reply = world.login_as(&body).await;
    assert!(reply.json()["refresh_token"].is_string());
    let cookie = world.login("cookie").await.cookie();
    for body in ["null", "{}", r#"{"refresh_token":null,"scope":null}"#] {
        let request = request(Method::POST, "/auth/refresh");
        let request = request.header("content-type", "application/json");
        let request = request.body(body.to_owned()).unwrap();
        let reply = world.send(with_cookie(request, &cookie)).await;
        assert_eq!(reply.status, 200, "{body}");
    }
}

/// A client that knows a password must not choose as which client the tokens are issued.
#[tokio::test]
async fn a_login_names_only_a_client_that_is_configured() {
    let world = World::with(|config| config.client("phone".parse().unwrap()));
    let login =
        |client: &str| json!({"username": "alice", "password": PASSWORD, "client_id": client});
    let reply = world.login_as(&login("phone")).await;
    let token = reply.text("access_token");
    let authorization = format!("Bearer {token}");
    let caller = world.auth.clone();
    let caller =
        caller.access::<NoClaims>(std::iter::once(authorization.as_bytes()), Shown::default);
    let caller = caller.await.unwrap().unwrap();
    assert_eq!(caller.claims().client_id.as_str(), "phone");
    for other in ["default", "billing"] {
        let reply = world.send(post_json("/auth/login", &login(other))).await;
        assert_eq!(
            reply.refusal(),
            refusal(400, "invalid_request", ""),
            "{other}"
        );
    }
}
