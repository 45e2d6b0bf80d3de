use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Method, Request};
use serde_json::json;
use token_http::{Attempt, AttemptKind, MAX_BODY};

use crate::world::{
    OWN, Reply, World, post_form, post_json, refusal, request, with, with_bearer, with_cookie,
};

fn by_cookie(cookie: &str) -> Request<&'static str> {
    let request = request(Method::POST, "/auth/refresh").body("").unwrap();
    with_cookie(request, cookie)
}

async fn by_json(world: &World, token: &str) -> Reply {
    let body = json!({"refresh_token": token});
    world.send(post_json("/auth/refresh", &body)).await
}

#[tokio::test]
async fn a_token_is_rotated_by_json_and_by_form() {
    let world = World::new();
    let first = world.login("header").await.text("refresh_token");
    world.advance(60);
    let reply = by_json(&world, &first).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("cache-control"), "no-store");
    assert_eq!(reply.header("pragma"), "no-cache");
    let second = reply.text("refresh_token");
    assert_ne!(second, first);
    world.advance(60);
    let form = format!("grant_type=refresh_token&refresh_token={second}&unknown=1");
    let reply = world.send(post_form("/auth/refresh", &form)).await;
    assert_eq!(reply.status, 200);
    assert_ne!(reply.text("refresh_token"), second);
}

#[tokio::test]
async fn a_lost_answer_is_repeated_within_the_grace() {
    let world = World::new();
    let first = world.login("header").await.text("refresh_token");
    let second = by_json(&world, &first).await.text("refresh_token");
    world.advance(30);
    assert_eq!(by_json(&world, &first).await.text("refresh_token"), second);
    world.advance(6);
    let reply = by_json(&world, &first).await;
    assert_eq!(reply.refusal(), refusal(400, "invalid_grant", "reused"));
    let reply = by_json(&world, &second).await;
    assert_eq!(reply.refusal(), refusal(400, "invalid_grant", "revoked"));
}

#[tokio::test]
async fn the_hook_learns_whose_token_it_is_once_it_was_found_genuine() {
    let noted = Arc::new(Mutex::new(Vec::new()));
    let own = Arc::clone(&noted);
    let world = World::with(|config| {
        config.limit(move |attempt: Attempt<'_>| {
            let (kind, session) = match attempt.kind {
                AttemptKind::Refresh => ("anybody", String::new()),
                AttemptKind::RefreshOf {
                    subject,
                    session_id,
                } => {
                    assert_eq!(subject.as_str(), "alice");
                    ("alice", session_id.to_string())
                }
                _ => return Ok(()),
            };
            let mut noted = own.lock().unwrap();
            noted.push((kind, session));
            let alice = noted.iter().filter(|(kind, _)| *kind == "alice").count();
            let wait = Duration::from_secs(7);
            if alice > 1 { Err(wait) } else { Ok(()) }
        })
    });
    let noted = || std::mem::take(&mut *noted.lock().unwrap());
    let login = world.login("header").await;
    let (first, session) = (login.text("refresh_token"), login.text("session_id"));
    let anybody = || ("anybody", String::new());
    for nonsense in [
        "nonsense",
        &format!("{first}x"),
        &login.text("access_token"),
    ] {
        let reply = by_json(&world, nonsense).await;
        assert_eq!(reply.refusal(), refusal(400, "invalid_grant", "malformed"));
        assert_eq!(noted(), [anybody()]);
    }
    // A genuine one in the wrong place is nobody's either.
    let reply = world
        .send(by_cookie(&format!("__Host-Http-refresh={first}")))
        .await;
    assert_eq!(reply.refusal(), refusal(400, "invalid_grant", "malformed"));
    assert_eq!(noted(), [anybody()]);

    let second = by_json(&world, &first).await.text("refresh_token");
    world.advance(60);
    let reply = by_json(&world, &second).await;
    assert_eq!(reply.refusal(), refusal(429, "too_many_requests", ""));
    assert_eq!(reply.header("retry-after"), "7");
    assert_eq!(reply.header("cache-control"), "no-store");
    let alice = || ("alice", session.clone());
    assert_eq!(noted(), [anybody(), alice(), anybody(), alice()]);
    // Nothing was written: the token is rotated as if it had not been refused.
    assert_eq!(by_json(&world, &second).await.status, 200);
}

#[tokio::test]
async fn the_cookie_is_rotated_in_the_cookie() {
    let world = World::new();
    let first = world.login("cookie").await.cookie();
    world.advance(60);
    let reply = world.send(by_cookie(&first)).await;
    assert_eq!(reply.status, 200);
    assert_ne!(reply.cookie(), first);
    assert!(reply.json().get("refresh_token").is_none());
}

/// A cookie that comes back after it was replaced by a later answer would log the browser out.
#[tokio::test]
async fn the_cookie_that_a_browser_has_already_is_not_set_again() {
    let world = World::new();
    let first = world.login("cookie").await.cookie();
    let second = world.send(by_cookie(&first)).await.cookie();
    let reply = world.send(by_cookie(&second)).await;
    assert_eq!(reply.status, 200);
    assert!(reply.set_cookies().is_empty());
    // A lost answer is made good.
    assert_eq!(world.send(by_cookie(&first)).await.cookie(), second);
}

#[tokio::test]
async fn a_refusal_deletes_no_cookie() {
    let world = World::new();
    let cookie = world.login("cookie").await.cookie();
    world.end_all().await;
    let reply = world.send(by_cookie(&cookie)).await;
    assert_eq!(reply.refusal(), refusal(400, "invalid_grant", "revoked"));
    assert!(reply.set_cookies().is_empty());
}

#[tokio::test]
async fn the_holder_of_a_genuine_token_learns_why() {
    let world = World::new();
    let login = world.login("header").await;
    let token = login.text("refresh_token");
    world.advance(31 * 24 * 3600);
    let reply = by_json(&world, &token).await;
    assert_eq!(reply.refusal(), refusal(400, "invalid_grant", "expired"));
    assert_eq!(reply.header("cache-control"), "no-store");
    assert!(reply.header("www-authenticate").is_empty());

    let elsewhere = World::new().login("header").await;
    let reply = by_json(&world, &elsewhere.text("refresh_token")).await;
    assert_eq!(reply.refusal(), refusal(400, "invalid_grant", "unknown"));
}

#[tokio::test]
async fn whatever_is_not_genuinely_ours_is_malformed() {
    let world = World::new();
    let login = world.login("header").await;
    let (access, genuine) = (login.text("access_token"), login.text("refresh_token"));
    let long = "a".repeat(9000);
    for token in [
        "",
        "x",
        "a.b.c",
        &access,
        &format!("{genuine}A"),
        &genuine[1..],
        &long,
    ] {
        let reply = by_json(&world, token).await;
        assert_eq!(
            reply.refusal(),
            refusal(400, "invalid_grant", "malformed"),
            "{token}"
        );
        assert!(token.is_empty() || token == "x" || !reply.body.contains(token));
    }
    assert_eq!(by_json(&world, &genuine).await.status, 200);
}

#[tokio::test]
async fn a_token_counts_only_where_it_was_put() {
    let world = World::new();
    let cookie = world.login("cookie").await.cookie();
    let in_cookie = cookie.strip_prefix("__Host-Http-refresh=").unwrap();
    let reply = by_json(&world, in_cookie).await;
    assert_eq!(reply.refusal(), refusal(400, "invalid_grant", "malformed"));
    let in_body = world.login("header").await.text("refresh_token");
    let reply = world
        .send(by_cookie(&format!("__Host-Http-refresh={in_body}")))
        .await;
    assert_eq!(reply.refusal(), refusal(400, "invalid_grant", "malformed"));
    // Neither was used up.
    assert_eq!(world.send(by_cookie(&cookie)).await.status, 200);
    assert_eq!(by_json(&world, &in_body).await.status, 200);
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn requests_of_another_form_are_refused_and_use_nothing_up() {
    let world = World::new();
    let token = world.login("header").await.text("refresh_token");
    let cookie = world.login("cookie").await.cookie();
    let form = "application/x-www-form-urlencoded";
    let json = "application/json";
    let g = "grant_type=refresh_token";
    for (media_type, body, cookies, expected) in [
        ("", "", "", (400, "invalid_request")),
        (json, "", "", (400, "invalid_request")),
        (json, "{}", "", (400, "invalid_request")),
        (json, r#"{"refresh_token":1}"#, "", (400, "invalid_request")),
        (
            json,
            &format!(r#"{{"refresh_token":"{token}","refresh_token":"x"}}"#),
            "",
            (400, "invalid_request"),
        ),
        (
            json,
            &format!(r#"{{"refresh_token":"{token}"}} x"#),
            "",
            (400, "invalid_request"),
        ),
        (
            json,
            &format!(r#"{{"refresh_token":"{token}"}}"#),
            &*cookie,
            (400, "invalid_request"),
        ),
        (form, g, "", (400, "invalid_request")),
        (
            form,
            &format!("{g}&refresh_token="),
            "",
            (400, "invalid_request"),
        ),
        (
            form,
            &format!("refresh_token={token}"),
            "",
            (400, "invalid_request"),
        ),
        (
            form,
            &format!("{g}&refresh_token={token}&refresh_token={token}"),
            "",
            (400, "invalid_request"),
        ),
        (
            form,
            &format!("{g}&{g}&refresh_token={token}"),
            "",
            (400, "invalid_request"),
        ),
        (
            form,
            &format!("grant_type=password&refresh_token={token}"),
            "",
            (400, "unsupported_grant_type"),
        ),
        (
            form,
            &format!("{g}&refresh_token={token}&scope=admin"),
            "",
            (400, "invalid_scope"),
        ),
        (
            form,
            &format!("{g}&refresh_token={token}&scope=%22"),
            "",
            (400, "invalid_scope"),
        ),
        ("text/plain", &token, "", (415, "unsupported_media_type")),
        ("text/plain", "", &*cookie, (415, "unsupported_media_type")),
        ("", &token, "", (415, "unsupported_media_type")),
        (
            json,
            &"a".repeat(MAX_BODY + 1),
            "",
            (413, "payload_too_large"),
        ),
        (
            "",
            "",
            &format!("{cookie}; {cookie}"),
            (400, "invalid_request"),
        ),
    ] {
        let mut request = request(Method::POST, "/auth/refresh")
            .body(body.to_owned())
            .unwrap();
        if !media_type.is_empty() {
            request = with(request, "content-type", media_type);
        }
        if !cookies.is_empty() {
            request = with_cookie(request, cookies);
        }
        let reply = world.send(request).await;
        let (status, error) = expected;
        assert_eq!(
            reply.refusal(),
            refusal(status, error, ""),
            "{media_type} {body} {cookies}"
        );
        assert_eq!(reply.header("cache-control"), "no-store");
    }
    assert_eq!(by_json(&world, &token).await.status, 200);
    assert_eq!(world.send(by_cookie(&cookie)).await.status, 200);
}

#[tokio::test]
async fn a_narrower_scope_narrows_the_access_token() {
    let world = World::new();
    let token = world.login("header").await.text("refresh_token");
    let form = format!("grant_type=refresh_token&refresh_token={token}&scope=notes%3Aread");
    let reply = world.send(post_form("/auth/refresh", &form)).await;
    assert_eq!(reply.text("scope"), "notes:read");
    world.advance(60);
    let reply = by_json(&world, &reply.text("refresh_token")).await;
    assert_eq!(reply.text("scope"), "notes:read notes:write");
}

#[tokio::test]
async fn authorization_is_ignored() {
    let world = World::new();
    let token = world.login("header").await.text("refresh_token");
    let body = json!({"refresh_token": token});
    for authorization in ["Bearer a.b.c", "Basic YTpi", "Bearer two words"] {
        let request = post_json("/auth/refresh", &body);
        let reply = world
            .send(with(request, "authorization", authorization))
            .await;
        assert_eq!(reply.status, 200);
    }
    let request = with_bearer(
        request(Method::POST, "/auth/refresh").body("").unwrap(),
        "a.b.c",
    );
    assert_eq!(world.send(request).await.status, 400);
}

#[tokio::test]
async fn the_csrf_rule_guards_the_cookie_and_only_the_cookie() {
    let world = World::with(|config| config.allow_origin("https://spa.example".parse().unwrap()));
    let cookie = world.login("cookie").await.cookie();
    let plain = || {
        let request = request(Method::POST, "/auth/refresh").body("").unwrap();
        with(request, "cookie", &cookie)
    };
    for refused in [
        plain(),
        with(plain(), "sec-fetch-site", "cross-site"),
        with(plain(), "origin", "https://evil.example"),
        with(plain(), "origin", "null"),
    ] {
        let reply = world.send(refused).await;
        assert_eq!(reply.refusal(), refusal(403, "csrf_failed", ""));
    }
    let allowed = with(plain(), "origin", "https://spa.example");
    for passed in [
        with(allowed, "sec-fetch-site", "cross-site"),
        with(plain(), "origin", OWN),
    ] {
        assert_eq!(world.send(passed).await.status, 200);
    }
    let token = world.login("header").await.text("refresh_token");
    let body = json!({"refresh_token": token});
    let request = with(
        post_json("/auth/refresh", &body),
        "sec-fetch-site",
        "cross-site",
    );
    assert_eq!(world.send(request).await.status, 200);
}
