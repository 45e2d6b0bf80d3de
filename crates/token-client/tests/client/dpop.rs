//! Proofs of possession, at a server that answers as each test says.

use std::fs;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode, Url};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use serde_json::{Value, json};
use token_client::{Client, LoginError, TokenError, TokenLayer, TokenMiddleware};
use tower_layer::Layer as _;
use tower_service::Service;

use crate::support::{Reply, Request, Server, refusal};

/// A token response of the type `DPoP`, with the access token `a{number}`.
fn bound(number: usize, fields: &'static str) -> Reply {
    let body = json!({
        "access_token": format!("a{number}"), "refresh_token": format!("r{number}"), "token_type": "DPoP",
        "expires_in": 300, "refresh_grace": 2, "session_id": "s",
    });
    Reply::Answer(200, fields, body.to_string())
}

/// A server that binds tokens and accepts everything.
async fn binding() -> Server {
    Server::start(|number, request| match &*request.path {
        "/auth/login" | "/auth/refresh" => bound(number, ""),
        _ => refusal(200, "notes"),
    })
    .await
}

async fn logged_in(server: &Server) -> Client {
    let client = Client::builder(server.address()).dpop().build().unwrap();
    client.login("alice", "wonderland").await.unwrap();
    client
}

async fn renew(client: &Client) -> Result<(), TokenError> {
    let token = client.access_token().await.unwrap();
    client.access_token_instead_of(&token).await.map(drop)
}

fn by_reqwest(client: &Client) -> ClientWithMiddleware {
    ClientBuilder::new(reqwest::Client::new())
        .with(TokenMiddleware::new(client.clone()))
        .build()
}

/// What a proof says, once its signature has been found to be that of the key in it.
struct Shown {
    jwk: Value,
    claims: Value,
}

impl Shown {
    fn by(request: &Request) -> Self {
        let proof = request.field("dpop").expect("the request has a proof");
        let (signed, signature) = proof.rsplit_once('.').unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        let [header, claims] = [header, claims].map(|part| {
            let json = BASE64URL.decode(part).unwrap();
            serde_json::from_slice::<Value>(&json).unwrap()
        });
        let jwk = header["jwk"].clone();
        assert_eq!(
            header,
            json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk })
        );
        let number = |name: &str| BASE64URL.decode(jwk[name].as_str().unwrap()).unwrap();
        assert_eq!(
            jwk,
            json!({ "kty": "EC", "crv": "P-256", "x": jwk["x"], "y": jwk["y"] })
        );
        let point = [&[4], &*number("x"), &*number("y")].concat();
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        let signature = BASE64URL.decode(signature).unwrap();
        key.verify(signed.as_bytes(), &signature).unwrap();
        Self { jwk, claims }
    }

    fn nonce(&self) -> Option<&str> {
        self.claims["nonce"].as_str()
    }
}

fn shown(server: &Server, route: &str) -> Vec<Shown> {
    server.requests(route).iter().map(Shown::by).collect()
}

fn nonces(shown: &[Shown]) -> Vec<Option<&str>> {
    shown.iter().map(Shown::nonce).collect()
}

fn seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

#[tokio::test]
async fn logins_renewals_and_requests_come_with_proofs_of_one_key() {
    let server = binding().await;
    let client = logged_in(&server).await;
    let resource = format!("{}/api?page=2", server.address());
    by_reqwest(&client).put(resource).send().await.unwrap();
    renew(&client).await.unwrap();
    let mut ids = Vec::new();
    let mut keys = Vec::new();
    let hash = BASE64URL.encode(digest(&SHA256, b"a0"));
    for (path, method, token_hash) in [
        ("login", "POST", None),
        ("api?page=2", "PUT", Some(&*hash)),
        ("refresh", "POST", None),
    ] {
        let request = &server.requests(path)[0];
        let Shown { jwk, claims } = Shown::by(request);
        let route = path.split('?').next().unwrap();
        assert_eq!(claims["htm"], method);
        assert_eq!(claims["htu"], format!("{}/{route}", server.address()));
        assert_eq!(claims["ath"].as_str(), token_hash);
        assert_eq!(claims["nonce"], Value::Null);
        let age = seconds() - claims["iat"].as_i64().unwrap();
        assert!((0..60).contains(&age), "{age}");
        ids.push(claims["jti"].as_str().unwrap().to_owned());
        keys.push(jwk);
    }
    let request = &server.requests("api?page=2")[0];
    assert_eq!(request.field("authorization"), Some("DPoP a0"));
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3);
    keys.dedup();
    assert_eq!(keys.len(), 1);
    // Each login has a key of its own.
    client.login("alice", "wonderland").await.unwrap();
    let logins = shown(&server, "login");
    assert_ne!(logins[0].jwk, logins[1].jwk);
}

#[tokio::test]
async fn without_dpop_nothing_is_signed() {
    let server = Server::start(|number, _| crate::support::tokens(number, "s")).await;
    let client = Client::builder(server.address()).build().unwrap();
    client.login("alice", "wonderland").await.unwrap();
    let token = client.access_token().await.unwrap();
    assert_eq!(token.scheme(), "Bearer");
    let url = Url::parse(server.address()).unwrap();
    assert!(client.proof(&token, &Method::GET, &url).is_none());
    renew(&client).await.unwrap();
    for route in ["login", "refresh"] {
        assert_eq!(server.requests(route)[0].field("dpop"), None);
    }
}

/// Refuses proofs without this nonce at the routes for tokens.
fn demands(number: usize, request: &Request, nonce: &str, fields: &'static str) -> Reply {
    if Shown::by(request).nonce() == Some(nonce) {
        bound(number, fields)
    } else {
        Reply::Answer(
            400,
            fields,
            json!({ "error": "use_dpop_nonce" }).to_string(),
        )
    }
}

#[tokio::test]
async fn a_request_for_tokens_is_repeated_with_the_nonce_that_the_server_asks_for() {
    let server = Server::start(|number, request| match &*request.path {
        "/auth/login" => demands(number, request, "n1", "DPoP-Nonce: n1\r\n"),
        _ => demands(number, request, "n2", "DPoP-Nonce: n2\r\n"),
    })
    .await;
    let client = logged_in(&server).await;
    renew(&client).await.unwrap();
    // The nonce of the login is tried, and found to be old.
    assert_eq!(nonces(&shown(&server, "login")), [None, Some("n1")]);
    assert_eq!(nonces(&shown(&server, "refresh")), [Some("n1"), Some("n2")]);
    let [first, second] = [0, 1].map(|at| server.requests("login")[at].body.clone());
    assert_eq!(first, second);
}

#[tokio::test]
async fn the_nonce_of_a_good_answer_is_that_of_the_next_proof() {
    let server = Server::start(|number, _| bound(number, "DPoP-Nonce: n7\r\n")).await;
    let client = logged_in(&server).await;
    renew(&client).await.unwrap();
    assert_eq!(nonces(&shown(&server, "refresh")), [Some("n7")]);
}

#[tokio::test]
async fn a_nonce_that_does_not_help_is_tried_once() {
    let server =
        Server::start(|number, request| demands(number, request, "another", "DPoP-Nonce: n1\r\n"))
            .await;
    let client = Client::builder(server.address()).dpop().build().unwrap();
    let error = client.login("alice", "wonderland").await.unwrap_err();
    assert_eq!(nonces(&shown(&server, "login")), [None, Some("n1")]);
    assert!(
        matches!(&error, LoginError::Refused { status: 400, error: Some(error) } if &**error == "use_dpop_nonce"),
        "{error:?}"
    );
}

/// A server whose resource demands a nonce that its routes for tokens do not know.
async fn resource_with_nonces() -> Server {
    Server::start(|number, request| match &*request.path {
        "/auth/login" | "/auth/refresh" => bound(number, ""),
        _ if Shown::by(request).nonce() == Some("m1") => refusal(200, "notes"),
        _ => Reply::Answer(
            401,
            "WWW-Authenticate: DPoP realm=\"x\", error=\"use_dpop_nonce\"\r\nDPoP-Nonce: m1\r\n",
            String::new(),
        ),
    })
    .await
}

#[tokio::test]
async fn a_request_is_repeated_with_the_same_token_if_the_resource_asks_for_a_nonce() {
    let server = resource_with_nonces().await;
    let client = logged_in(&server).await;
    let resource = format!("{}/api", server.address());
    for _ in 0..2 {
        let request = by_reqwest(&client).post(&resource).body("a note");
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
    let requests = server.requests("api");
    assert_eq!(
        nonces(&shown(&server, "api")),
        [None, Some("m1"), Some("m1")]
    );
    for request in &requests {
        assert_eq!(request.field("authorization"), Some("DPoP a0"));
        assert_eq!(request.body, "a note");
    }
    assert!(server.requests("refresh").is_empty());
}

#[tokio::test]
async fn nonces_of_one_server_are_not_shown_to_another() {
    let (server, other) = (resource_with_nonces().await, resource_with_nonces().await);
    let builder = Client::builder(server.address()).origin(other.address());
    let client = builder.dpop().build().unwrap();
    client.login("alice", "wonderland").await.unwrap();
    for server in [&server, &other] {
        let resource = format!("{}/api", server.address());
        by_reqwest(&client).get(resource).send().await.unwrap();
    }
    assert_eq!(nonces(&shown(&other, "api")), [None, Some("m1")]);
}

#[tokio::test]
async fn a_body_that_cannot_be_cloned_is_sent_once_and_its_nonce_is_kept() {
    let server = resource_with_nonces().await;
    let client = logged_in(&server).await;
    let resource = format!("{}/api", server.address());
    let body = reqwest::Body::wrap(String::from("a note"));
    let request = by_reqwest(&client).post(&resource).body(body);
    assert_eq!(request.send().await.unwrap().status(), 401);
    let request = by_reqwest(&client).get(&resource).send().await.unwrap();
    assert_eq!(request.status(), 200);
    assert_eq!(nonces(&shown(&server, "api")), [None, Some("m1")]);
}

/// A client of `http` that asks for a nonce, and notes which proofs came.
#[derive(Clone, Default)]
struct Resource(Arc<Mutex<Vec<HeaderMap>>>);

impl Service<http::Request<String>> for Resource {
    type Response = http::Response<()>;
    type Error = std::convert::Infallible;
    type Future = Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<String>) -> Self::Future {
        let mut seen = self.0.lock().unwrap();
        seen.push(request.headers().clone());
        let response = http::Response::builder();
        let response = if seen.len() == 1 {
            response
                .status(401)
                .header("www-authenticate", "DPoP error=\"use_dpop_nonce\"")
                .header("dpop-nonce", "m1")
        } else {
            response
        };
        ready(Ok(response.body(()).unwrap()))
    }
}

#[tokio::test]
async fn the_layer_of_tower_proves_and_repeats_too() {
    let server = binding().await;
    let client = logged_in(&server).await;
    let resource = Resource::default();
    let layer = TokenLayer::new(client).repeat_with(|body: &String| Some(body.clone()));
    let mut service = layer.layer(resource.clone());
    let uri = format!("{}/api?page=2", server.address());
    let request = http::Request::post(uri).body(String::new()).unwrap();
    assert_eq!(service.call(request).await.unwrap().status(), 200);
    let seen = resource.0.lock().unwrap();
    let claims: Vec<Value> = seen
        .iter()
        .map(|fields| {
            assert_eq!(fields["authorization"], "DPoP a0");
            let proof = fields["dpop"].to_str().unwrap();
            let claims = proof.split('.').nth(1).unwrap();
            serde_json::from_slice(&BASE64URL.decode(claims).unwrap()).unwrap()
        })
        .collect();
    assert_eq!(claims.len(), 2);
    assert_eq!(claims[1]["nonce"], "m1");
    assert_eq!(claims[1]["htm"], "POST");
    assert_eq!(claims[1]["htu"], format!("{}/api", server.address()));
    assert_ne!(claims[0]["jti"], claims[1]["jti"]);
}

#[tokio::test]
async fn a_wrong_clock_of_this_machine_is_corrected_by_that_of_the_server() {
    // The server's clock is a day ahead.
    let server = Server::start(|number, request| {
        let ahead = Shown::by(request).claims["iat"].as_i64().unwrap() - seconds();
        if (86_000..87_000).contains(&ahead) {
            return bound(number, "");
        }
        let date = SystemTime::now() + Duration::from_secs(86_400);
        let date = httpdate::fmt_http_date(date);
        let fields = Box::leak(format!("Date: {date}\r\n").into_boxed_str());
        let body = json!({ "error": "invalid_dpop_proof" }).to_string();
        Reply::Answer(400, fields, body)
    })
    .await;
    let client = logged_in(&server).await;
    renew(&client).await.unwrap();
    assert_eq!(server.requests("login").len(), 2);
    assert_eq!(server.requests("refresh").len(), 1);
}

#[tokio::test]
async fn a_proof_that_is_refused_for_another_reason_is_not_made_again() {
    let body = r#"{"error":"invalid_dpop_proof"}"#;
    let server = Server::start(move |_, _| {
        let date = httpdate::fmt_http_date(SystemTime::now());
        let fields = Box::leak(format!("Date: {date}\r\n").into_boxed_str());
        Reply::Answer(400, fields, body.to_owned())
    })
    .await;
    let client = Client::builder(server.address()).dpop().build().unwrap();
    let error = client.login("alice", "wonderland").await.unwrap_err();
    assert!(
        matches!(&error, LoginError::Refused { status: 400, error: Some(error) } if &**error == "invalid_dpop_proof"),
        "{error:?}"
    );
    assert_eq!(server.requests("login").len(), 1);
}

#[tokio::test]
async fn the_key_is_kept_with_the_tokens_and_ends_with_them() {
    let server = binding().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.json");
    let builder = || Client::builder(server.address()).file(&file);
    let client = builder().dpop().build().unwrap();
    client.login("alice", "wonderland").await.unwrap();
    let kept: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let key = kept["key"].as_str().unwrap().to_owned();
    // Another process goes on with it, although it was built without `dpop`, and keeps it at a renewal.
    let other = builder().build().unwrap();
    renew(&other).await.unwrap();
    let token = other.access_token().await.unwrap();
    assert_eq!(token.scheme(), "DPoP");
    let [login, refresh] = ["login", "refresh"].map(|route| Shown::by(&server.requests(route)[0]));
    assert_eq!(login.jwk, refresh.jwk);
    let kept: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(kept["key"], *key);
    for shown in [
        format!("{client:?}"),
        format!("{other:?}"),
        format!("{token:?}"),
    ] {
        assert!(!shown.contains(&key), "{shown}");
    }
    client.logout().await.unwrap();
    assert!(!fs::read_to_string(&file).unwrap().contains(&key));
}

#[tokio::test]
async fn a_server_that_does_not_bind_the_tokens_is_an_error_and_they_are_revoked() {
    let server = Server::start(|number, request| match &*request.path {
        "/auth/login" => crate::support::tokens(number, "s"),
        _ => refusal(200, ""),
    })
    .await;
    let client = Client::builder(server.address()).dpop().build().unwrap();
    let error = client.login("alice", "wonderland").await.unwrap_err();
    assert!(matches!(error, LoginError::NotBound), "{error:?}");
    assert_eq!(server.requests("revoke")[0].body, "token=r0");
    let error = client.access_token().await.unwrap_err();
    assert!(
        matches!(error, TokenError::LoginRequired { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn tokens_that_are_bound_to_a_key_elsewhere_are_not_taken_over() {
    let server = binding().await;
    let client = Client::builder(server.address()).build().unwrap();
    let Reply::Answer(_, _, tokens) = bound(0, "") else {
        unreachable!();
    };
    let set = client.set_tokens(tokens.as_bytes(), SystemTime::now());
    let error = set.await.unwrap_err();
    assert!(matches!(error, LoginError::UnknownKey), "{error:?}");
}

#[tokio::test]
async fn a_program_that_sends_requests_itself_makes_proofs_and_learns_nonces() {
    let server = binding().await;
    let client = logged_in(&server).await;
    let token = client.access_token().await.unwrap();
    let url = Url::parse(server.address()).unwrap();
    let prove = || client.proof(&token, &Method::GET, &url).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("dpop-nonce", "m1".parse().unwrap());
    headers.insert(
        "www-authenticate",
        "DPoP error=\"use_dpop_nonce\"".parse().unwrap(),
    );
    let (first, second) = (prove(), prove());
    assert!(client.learn(&first, StatusCode::UNAUTHORIZED, &headers));
    // The second was made before the nonce was known, and is worth repeating too; the third had it.
    assert!(client.learn(&second, StatusCode::UNAUTHORIZED, &headers));
    assert!(!client.learn(&prove(), StatusCode::UNAUTHORIZED, &headers));
    headers.insert("dpop-nonce", "m2".parse().unwrap());
    assert!(!client.learn(&prove(), StatusCode::OK, &headers));
}

#[tokio::test]
async fn a_log_of_a_proof_does_not_have_its_text() {
    let server = binding().await;
    let client = logged_in(&server).await;
    let token = client.access_token().await.unwrap();
    let url = Url::parse(server.address()).unwrap();
    let proof = client.proof(&token, &Method::GET, &url).unwrap();
    let (shown, text) = (format!("{proof:?}"), proof.header_value());
    for part in text.to_str().unwrap().split('.') {
        assert!(!shown.contains(part), "{shown}");
    }
}
