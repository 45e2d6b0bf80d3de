//! Every refusal has a line in the log, at `debug`, that says why, and no secret in it.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use serde_json::json;
use token_core::NoClaims;
use token_http::{
    Attempt, AttemptKind, BodyError, CustomLogin, Head, LogoutRequest, MAX_BODY, Refusal, Rule,
    Shown,
};
use token_session::MemoryStore;
use token_session::test_util::{Outage, TroubledStore};

use crate::evidence::Log;
use crate::server_session::visit;
use crate::world::{
    OWN, PASSWORD, World, answered, get, post_form, post_json, request, with, with_bearer,
    with_cookie,
};

const SECRET: &str = "hush-hush";
const KEY: &str = "the-key-of-a-resource-server";

fn empty(method: Method, path: &str) -> Request<String> {
    request(method, path).body(String::new()).unwrap()
}

fn typed(path: &str, media_type: &str, body: &str) -> Request<String> {
    let request = request(Method::POST, path).header("content-type", media_type);
    request.body(body.to_owned()).unwrap()
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn every_refusal_has_a_line_that_says_why() {
    let world = World::with(|config| {
        let config = config.introspection_key(KEY);
        config
            .allow_origin("https://spa.example".parse().unwrap())
            .limit(|attempt: Attempt<'_>| match attempt.kind {
                AttemptKind::Login("limited") => Err(Duration::from_secs(7)),
                _ => Ok(()),
            })
    });
    let header = world.login("header").await;
    let (access, refresh) = (header.text("access_token"), header.text("refresh_token"));
    let session = world.login("session").await.cookie();
    let login = |body: &str| typed("/auth/login", "application/json", body);
    let get = |path: &str| empty(Method::GET, path);
    let good = json!({"username": "alice", "password": PASSWORD});
    let form = |body: &str| post_form("/auth/refresh", body);
    let two = format!("{session}; {session}");
    let many = [session.as_str(); 5].join("; ");
    let too_long = format!(r#"{{"username":"{}"}}"#, "x".repeat(MAX_BODY));
    let other_token = json!({"refresh_token": refresh});
    let stale = "__Host-Http-session=nonsense";
    let cases: Vec<(Request<String>, u16, &str)> = vec![
        // The CSRF rule, with what was expected and what came.
        (
            with(
                post_json("/auth/login", &good),
                "origin",
                "https://evil.example",
            ),
            403,
            OWN,
        ),
        (
            with(
                post_json("/auth/login", &good),
                "origin",
                "https://evil.example",
            ),
            403,
            "evil",
        ),
        (
            with(post_json("/auth/login", &good), "origin", "null"),
            403,
            "https://spa.example",
        ),
        (
            with(
                post_json("/auth/login", &good),
                "sec-fetch-site",
                "same-site",
            ),
            403,
            "same-site",
        ),
        (
            with(
                post_json("/auth/login", &good),
                "referer",
                "https://a.example/x",
            ),
            403,
            "https://a.example",
        ),
        (
            with(empty(Method::POST, "/auth/logout"), "cookie", &session),
            403,
            "csrf_failed",
        ),
        (
            with(empty(Method::POST, "/api/me"), "cookie", &session),
            403,
            "csrf_failed",
        ),
        // Bodies.
        (
            typed("/auth/login", "text/plain", SECRET),
            415,
            "neither JSON nor a form",
        ),
        (
            typed("/auth/login", "application/json; charset=latin1", "{}"),
            415,
            "not in UTF-8",
        ),
        (
            post_form("/auth/login", "a=b"),
            415,
            "has to be `application/json`",
        ),
        (
            post_json("/auth/revoke", &json!({})),
            415,
            "has to be `application/x-www-form",
        ),
        (
            empty(Method::POST, "/auth/revoke"),
            415,
            "has no `Content-Type`",
        ),
        (
            request(Method::POST, "/auth/refresh")
                .body("x".to_owned())
                .unwrap(),
            415,
            "has no `Content-Type`",
        ),
        (login("{"), 400, "ends too early"),
        (login("nonsense"), 400, "is not JSON at line 1"),
        (
            login(r#"{"username":"hush-hush"}"#),
            400,
            "missing field `password`",
        ),
        (
            login(r#"{"username":"a","password":{"hush-hush":1}}"#),
            400,
            "another type or is duplicate",
        ),
        (
            login(r#"{"username":"a","username":"hush-hush"}"#),
            400,
            "another type or is duplicate",
        ),
        (
            login(r#"{"username":"a","password":"b","transport":"hush-hush"}"#),
            400,
            "another type",
        ),
        (
            login(r#"{"username":"a","password":"b","client_id":"phone"}"#),
            400,
            "client",
        ),
        (
            typed("/auth/revoke", "application/json", &too_long),
            413,
            "the body is too long",
        ),
        (
            form("grant_type=refresh_token&a=hush-hush&a=2"),
            400,
            "a parameter is repeated",
        ),
        (form("refresh_token=x"), 400, "no parameter `grant_type`"),
        (
            form("grant_type=refresh_token"),
            400,
            "no parameter `refresh_token`",
        ),
        (
            form("grant_type=password&password=hush-hush"),
            400,
            "unsupported_grant_type",
        ),
        (
            form(&format!(
                "grant_type=refresh_token&refresh_token={refresh}&scope=admin"
            )),
            400,
            "exceeds the session",
        ),
        (
            form(&format!(
                "grant_type=refresh_token&refresh_token={refresh}&scope=%22"
            )),
            400,
            "invalid_scope",
        ),
        (
            post_form("/auth/revoke", "a=b"),
            400,
            "no parameter `token`",
        ),
        (
            with_bearer(post_form("/auth/introspect", "a=b"), KEY),
            400,
            "no parameter `token`",
        ),
        // Credentials.
        (
            login(r#"{"username":"alice","password":"hush-hush"}"#),
            401,
            "unknown user or wrong password",
        ),
        (
            login(r#"{"username":"a\nb","password":"hush-hush"}"#),
            401,
            "cannot be a subject",
        ),
        (
            login(r#"{"username":"limited","password":"hush-hush"}"#),
            429,
            "Login([redacted]) from 192.0.2.77 has to wait 7.0 s",
        ),
        (get("/api/me"), 401, "there are no credentials"),
        (get("/auth/session"), 401, "there are no credentials"),
        (
            with(get("/api/me"), "authorization", "Bearer hush hush"),
            400,
            "not of the form",
        ),
        (
            with(with_bearer(get("/api/me"), &access), "authorization", "x"),
            400,
            "or comes twice",
        ),
        (
            with_bearer(get("/api/me"), "a.b.c"),
            401,
            "access token refused",
        ),
        (
            with_cookie(get("/api/me"), &two),
            400,
            "two session cookies",
        ),
        (
            with_cookie(empty(Method::POST, "/auth/logout"), &many),
            400,
            "5 session and refresh cookies",
        ),
        (
            with_cookie(get("/api/me"), stale),
            401,
            "session cookie refused",
        ),
        (
            empty(Method::POST, "/auth/refresh"),
            400,
            "there is no refresh token",
        ),
        (
            with_cookie(
                post_json("/auth/refresh", &other_token),
                "__Host-Http-refresh=x",
            ),
            400,
            "and one in a cookie",
        ),
        (
            post_json("/auth/refresh", &json!({"refresh_token": "a.b.c"})),
            400,
            "not a credential of ours",
        ),
        (
            post_json("/auth/step-up", &json!({"password": SECRET})),
            400,
            "no refresh or session cookie",
        ),
        (
            with_cookie(
                post_json("/auth/step-up", &json!({"password": SECRET})),
                &session,
            ),
            401,
            "wrong password",
        ),
        (
            with_cookie(
                post_json(
                    "/auth/password",
                    &json!({"password": PASSWORD, "new_password": "x"}),
                ),
                &session,
            ),
            400,
            "does not accept the new password",
        ),
        (
            post_form("/auth/introspect", "token=x"),
            401,
            "there are no credentials",
        ),
        (
            with_bearer(post_form("/auth/introspect", "token=x"), SECRET),
            401,
            "the token is invalid",
        ),
        (
            with(
                post_form("/auth/introspect", "token=x"),
                "authorization",
                "Basic YTpi",
            ),
            401,
            "the client is not authenticated",
        ),
        // Everything else.
        (get("/auth/refresh"), 405, "GET is not one of POST"),
        (
            with_bearer(empty(Method::DELETE, "/auth/sessions/x"), &access),
            404,
            "no live session of this id",
        ),
        (
            with_bearer(empty(Method::DELETE, "/auth/sessions?keep=x"), &access),
            400,
            "`keep=current`",
        ),
    ];
    let (log, _guard) = Log::watch();
    let mut codes = BTreeSet::new();
    for (request, status, expected) in cases {
        let asked = format!("{} {}", request.method(), request.uri());
        let reply = world.send(request).await;
        assert_eq!(reply.status, status, "{asked}: {}", reply.body);
        let logged = log.take();
        assert!(
            logged.contains("DEBUG") && logged.contains(expected),
            "{asked}: {expected}: {logged}"
        );
        for secret in [
            SECRET,
            &access,
            &refresh,
            &session["__Host-Http-session=".len()..],
        ] {
            assert!(!logged.contains(secret), "{logged}");
        }
        codes.insert(reply.text("error"));
    }

    // What no request above can bring about.
    let route_without_key = World::new();
    let reply = route_without_key
        .send(post_form("/auth/introspect", "token=x"))
        .await;
    assert_eq!(reply.status, 404);
    assert!(log.take().contains("no key of a resource server"));

    let late = async { Err::<Bytes, _>(BodyError::TooSlow) };
    let refused = world.auth.read_body(MAX_BODY, late).await.unwrap_err();
    assert_eq!(refused.response().status(), 408);
    assert_eq!(refused.response().headers()["connection"], "close");
    codes.insert(refused.refusal().code().to_owned());
    assert!(log.take().contains("the body did not come within 10s"));
    for (error, expected) in [
        (BodyError::Interrupted, "cut off"),
        (BodyError::TooLong, "longer than 16384 bytes"),
    ] {
        let refused = world.auth.read_body(MAX_BODY, async { Err(error) }).await;
        assert!(
            refused.is_err() && log.take().contains(expected),
            "{expected}"
        );
    }

    let authorization = format!("Bearer {access}");
    let caller = world
        .auth
        .clone()
        .access::<NoClaims>(std::iter::once(authorization.as_bytes()), Shown::default);
    let caller = caller.await.unwrap().unwrap();
    let refused = world.auth.require::<Admin>(&caller).unwrap_err();
    codes.insert(refused.refusal().code().to_owned());
    assert!(log.take().contains("the scope admin is missing"));
    let refused = world.auth.require::<Strong>(&caller).unwrap_err();
    codes.insert(refused.refusal().code().to_owned());
    assert!(log.take().contains("of another class"));
    let refused = world.auth.require::<Nobody>(&caller).unwrap_err();
    codes.insert(refused.refusal().code().to_owned());
    assert!(log.take().contains("claims of the caller do not meet"));

    // What the application refuses itself.
    let refused = world.auth.reject(Refusal::AccessDenied);
    codes.insert(refused.refusal().code().to_owned());
    assert!(log.take().contains("the application refused"));

    for code in [
        "access_denied",
        "csrf_failed",
        "forbidden",
        "insufficient_scope",
        "insufficient_user_authentication",
        "invalid_client",
        "invalid_credentials",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "invalid_token",
        "method_not_allowed",
        "not_found",
        "payload_too_large",
        "request_timeout",
        "too_many_requests",
        "unauthorized",
        "unsupported_grant_type",
        "unsupported_media_type",
    ] {
        assert!(codes.contains(code), "{code} is not in the table");
    }
}

/// The rest are errors of the server, or of two requests that meet: they are warnings.
#[tokio::test]
async fn what_the_server_is_to_blame_for_is_a_warning_or_an_error() {
    let outage = Outage::default();
    let store = TroubledStore::new(MemoryStore::new(1000, &[7; 32]), outage.clone());
    let world = World::on(store, |config| config);
    let cookie = world.login("session").await.cookie();
    let (log, _guard) = Log::watch();

    let (first, slot) = visit(&world, &cookie).await.unwrap();
    let (second, _) = visit(&world, &cookie).await.unwrap();
    first.set("a", &1).await.unwrap();
    second.set("a", &2).await.unwrap();
    second.save().await.unwrap();
    assert_eq!(
        slot.finish(&answered(StatusCode::OK))
            .await
            .unwrap_err()
            .response()
            .status(),
        409
    );
    assert!(log.take().contains("WARN"));

    outage.begin();
    let reply = world.send(with_cookie(get("/auth/session"), &cookie)).await;
    assert_eq!(reply.status, 503);
    assert!(log.take().contains("the session store cannot be reached"));
    outage.end();
}

/// A logout that goes on without its body, or without the right to delete cookies, is not refused.
#[tokio::test]
async fn what_is_not_refused_has_no_line_that_says_so() {
    let world = World::new();
    let (log, _guard) = Log::watch();
    let foreign = with(
        empty(Method::POST, "/auth/logout"),
        "sec-fetch-site",
        "cross-site",
    );
    assert_eq!(world.send(foreign).await.status, 204);
    let (headers, uri) = (HeaderMap::new(), Uri::from_static("/"));
    let head = Head {
        method: &Method::GET,
        uri: &uri,
        headers: &headers,
        peer: None,
    };
    assert!(LogoutRequest::read(&world.auth, &head).is_ok());
    assert!(CustomLogin::read(&world.auth, &head).is_ok());
    let ignored = with(
        empty(Method::POST, "/auth/logout"),
        "authorization",
        "Bearer a b",
    );
    assert_eq!(world.send(ignored).await.status, 204);
    assert_eq!(log.take(), "");
}

enum Admin {}
impl Rule for Admin {
    const SCOPE: &'static str = "admin";
}

enum Strong {}
impl Rule for Strong {
    const ACR: &'static str = "strong";
}

enum Nobody {}
impl Rule for Nobody {
    fn permits(_: &NoClaims) -> bool {
        false
    }
}

/// A full queue is no wrong password.
#[cfg(feature = "password")]
#[test]
fn a_password_that_is_not_checked_is_503_with_the_time_to_wait() {
    let rejection = token_http::Rejection::from(token_password::PasswordError::Busy);
    let response = rejection.response();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "1");
}
