//! `Auth::open`: what outlives the process, what it refuses, and how what it has started ends.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use axum::routing::{get, post};
use hallpass::axum::{Answer, Any, Auth, LoginRequest, Rejection, routes, sessions};
use hallpass::{Background, FeedState, OpenError, Policy, SqliteStore, Transport};
use serde_json::Value;
use tower_service::Service as _;

const ORIGIN: &str = "https://shop.example";

async fn open(folder: &Path) -> (Auth, Background) {
    let store = SqliteStore::open(folder.join("sessions.db")).await.unwrap();
    let opened = Auth::open(ORIGIN, store, folder.join("keys.json")).await;
    opened.unwrap()
}

async fn login(login: LoginRequest) -> Result<Answer, Rejection> {
    let ticket = login.begin(login.username()).await?;
    login.open(ticket, login.new_session()).await
}

async fn hello(caller: Any) -> String {
    caller.subject().to_string()
}

fn app(auth: &Auth) -> Router {
    Router::new()
        .route("/login", post(login))
        .route("/hello", get(hello))
        .merge(routes(auth))
        .layer(sessions())
        .with_state(auth.clone())
}

/// Posts JSON, and gives the status, the cookie and the body.
async fn send(auth: &Auth, path: &str, body: &str) -> (StatusCode, Option<String>, Value) {
    let request = Request::post(path)
        .header(header::CONTENT_TYPE, "application/json")
        .header("sec-fetch-site", "same-origin")
        .body(Body::from(body.to_owned()))
        .unwrap();
    let answer = app(auth).call(request).await.unwrap();
    let (parts, body) = answer.into_parts();
    let cookie = parts.headers.get(header::SET_COOKIE).map(|field| {
        let text = field.to_str().unwrap();
        text.split(';').next().unwrap().to_owned()
    });
    let body = to_bytes(body, 100_000).await.unwrap();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    (parts.status, cookie, body)
}

/// The status of a request with this header field.
async fn asks_with(auth: &Auth, field: (header::HeaderName, &str)) -> StatusCode {
    let request = Request::get("/hello").header(field.0, field.1);
    let request = request.body(Body::empty()).unwrap();
    app(auth).call(request).await.unwrap().status()
}

#[tokio::test]
async fn tokens_are_good_after_a_restart_with_the_same_key_file() {
    let folder = tempfile::tempdir().unwrap();
    let (auth, background) = open(folder.path()).await;
    let alice = r#"{"username":"alice","password":""}"#;
    let (status, _, tokens) = send(&auth, "/login", alice).await;
    assert_eq!(status, StatusCode::OK);
    background.end().await;
    drop(auth);

    let (auth, background) = open(folder.path()).await;
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let status = asks_with(&auth, (header::AUTHORIZATION, &bearer)).await;
    assert_eq!(status, StatusCode::OK);
    let refresh = serde_json::json!({ "refresh_token": tokens["refresh_token"] }).to_string();
    let (status, ..) = send(&auth, "/auth/refresh", &refresh).await;
    assert_eq!(status, StatusCode::OK);
    background.end().await;
}

#[tokio::test]
async fn without_the_key_file_tokens_are_refused_and_session_cookies_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let (auth, background) = open(folder.path()).await;
    let alice = r#"{"username":"alice","password":"","transport":"session"}"#;
    let (_, cookie, _) = send(&auth, "/login", alice).await;
    let bob = r#"{"username":"bob","password":""}"#;
    let (_, _, tokens) = send(&auth, "/login", bob).await;
    background.end().await;
    drop(auth);

    std::fs::remove_file(folder.path().join("keys.json")).unwrap();
    let (auth, background) = open(folder.path()).await;
    let status = asks_with(&auth, (header::COOKIE, &cookie.unwrap())).await;
    assert_eq!(status, StatusCode::OK);
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let status = asks_with(&auth, (header::AUTHORIZATION, &bearer)).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let refresh = serde_json::json!({ "refresh_token": tokens["refresh_token"] }).to_string();
    let (status, ..) = send(&auth, "/auth/refresh", &refresh).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    background.end().await;
}

#[tokio::test]
async fn the_feed_is_followed_until_the_background_ends_and_keys_change_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let (auth, background) = open(folder.path()).await;
    assert_eq!(auth.manager().feed_state(), FeedState::Live);
    let before = auth.manager().issuer().access_keys.current().id().clone();
    let signs = background.keys().remove(before.clone()).await.unwrap();
    assert_ne!(signs, before);
    background.end().await;
    while auth.manager().feed_state() == FeedState::Live {
        tokio::task::yield_now().await; // the task is told to end, and does so by itself
    }
}

#[tokio::test]
async fn the_settings_are_those_of_the_closure() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("sessions.db"));
    let store = store.await.unwrap();
    let keys = folder.path().join("keys.json");
    let opened = Auth::open_with(ORIGIN, store, keys, Policy::default(), |settings| {
        settings.transports([Transport::Session])
    });
    let (auth, background) = opened.await.unwrap();
    let alice = r#"{"username":"alice","password":""}"#;
    let (status, cookie, tokens) = send(&auth, "/login", alice).await;
    assert_eq!(status, StatusCode::OK);
    assert!(cookie.is_some() && tokens["access_token"].is_null());
    background.end().await;
}

#[tokio::test]
async fn what_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let store = async || {
        let path = folder.path().join("sessions.db");
        SqliteStore::open(path).await.unwrap()
    };
    let keys = folder.path().join("keys.json");
    let error = Auth::open("shop.example", store().await, keys.clone()).await;
    assert!(matches!(error.unwrap_err(), OpenError::Origin(_)));
    std::fs::write(&keys, "not keys").unwrap();
    let error = Auth::open(ORIGIN, store().await, keys.clone()).await;
    let text = error.unwrap_err().to_string();
    assert!(text.starts_with(keys.to_str().unwrap()), "{text}");
    let error = Auth::open(ORIGIN, store().await, "env:HALLPASS_TEST_WITHOUT_KEYS").await;
    let text = error.unwrap_err().to_string();
    assert!(text.contains("HALLPASS_TEST_WITHOUT_KEYS"), "{text}");
}
