//! Tokens for the requests of an HTTP client: the middleware of reqwest and the layer of tower.

use std::convert::Infallible;
use std::future::{Ready, poll_fn, ready};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use crate::support::{Reply, Server, refusal, tokens};
use http::header::{AUTHORIZATION, HeaderValue};
use http::{Request, Response};
use reqwest::Body;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Error};
use token_client::{Client, RequestError, TokenError, TokenLayer, TokenMiddleware};
use tower_layer::Layer as _;
use tower_service::Service;

const INVALID: &str = "WWW-Authenticate: Bearer realm=\"x\", error=\"invalid_token\"\r\n";

/// A server that refuses the first access token at `/auth/api`, with these fields.
async fn refusing(fields: &'static str) -> Server {
    Server::start(move |number, request| match &*request.path {
        "/auth/login" | "/auth/refresh" => tokens(number, "s"),
        _ if request.head.contains("bearer a0") => Reply::Answer(401, fields, String::new()),
        _ => refusal(200, "notes"),
    })
    .await
}

async fn logged_in(server: &Server) -> Client {
    let client = Client::builder(server.address()).build().unwrap();
    client.login("alice", "wonderland").await.unwrap();
    client
}

fn with_tokens(client: &Client) -> ClientWithMiddleware {
    ClientBuilder::new(reqwest::Client::new())
        .with(TokenMiddleware::new(client.clone()))
        .build()
}

fn api(server: &Server) -> String {
    format!("{}/api", server.address())
}

/// The tokens of the requests that came to the resource.
fn seen(server: &Server) -> Vec<String> {
    let requests = server.requests("api");
    let token = |head: &str| {
        let field = head.lines().find(|line| line.starts_with("authorization"));
        field.unwrap_or("none").replace("authorization: ", "")
    };
    requests
        .iter()
        .map(|request| token(&request.head))
        .collect()
}

#[tokio::test]
async fn a_request_whose_token_is_refused_is_repeated_once_with_a_new_one() {
    let server = refusing(INVALID).await;
    let client = logged_in(&server).await;
    let request = with_tokens(&client).post(api(&server)).body("a note");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(seen(&server), ["bearer a0", "bearer a2"]);
    assert_eq!(server.requests("api")[1].body, "a note");
}

#[tokio::test]
async fn a_request_is_not_repeated_twice() {
    let server = Server::start(|number, request| match &*request.path {
        "/auth/login" | "/auth/refresh" => tokens(number, "s"),
        _ => Reply::Answer(401, INVALID, String::new()),
    });
    let server = server.await;
    let client = logged_in(&server).await;
    let response = with_tokens(&client).get(api(&server)).send().await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(seen(&server).len(), 2);
}

#[tokio::test]
async fn a_request_that_was_redirected_is_not_repeated() {
    for status in [303, 307] {
        let server = Server::start(move |number, request| match &*request.path {
            "/auth/login" | "/auth/refresh" => tokens(number, "s"),
            "/auth/api" => Reply::Answer(status, "Location: /auth/done\r\n", String::new()),
            _ => Reply::Answer(401, INVALID, String::new()),
        });
        let server = server.await;
        let client = logged_in(&server).await;
        let request = with_tokens(&client).post(api(&server)).body("an order");
        assert_eq!(request.send().await.unwrap().status(), 401);
        assert_eq!(server.requests("done").len(), 1, "{status}");
        assert_eq!(seen(&server), ["bearer a0"], "{status}");
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_cloned_is_sent_once_and_a_refused_token_is_renewed() {
    let server = refusing(INVALID).await;
    let client = logged_in(&server).await;
    let body = Body::wrap(String::from("a note"));
    let request = with_tokens(&client).post(api(&server)).body(body);
    assert_eq!(request.send().await.unwrap().status(), 401);
    assert_eq!(seen(&server), ["bearer a0"]);
    assert_eq!(server.requests("refresh").len(), 1);
    let next = with_tokens(&client).get(api(&server)).send().await.unwrap();
    assert_eq!(next.status(), 200);
    assert_eq!(seen(&server), ["bearer a0", "bearer a2"]);
}

#[tokio::test]
async fn a_401_for_another_reason_renews_nothing() {
    for fields in [
        "",
        "WWW-Authenticate: Bearer realm=\"x\"\r\n",
        "WWW-Authenticate: Bearer error=\"insufficient_user_authentication\"\r\n",
    ] {
        let server = refusing(fields).await;
        let client = logged_in(&server).await;
        let response = with_tokens(&client).get(api(&server)).send().await.unwrap();
        assert_eq!(response.status(), 401);
        assert!(server.requests("refresh").is_empty(), "{fields}");
    }
}

#[tokio::test]
async fn other_origins_get_no_token_unless_they_are_named() {
    let (server, other) = (refusing(INVALID).await, refusing(INVALID).await);
    let client = logged_in(&server).await;
    with_tokens(&client).get(api(&other)).send().await.unwrap();
    assert_eq!(seen(&other), ["none"]);
    let builder = Client::builder(server.address()).origin(other.address());
    let client = builder.build().unwrap();
    client.login("alice", "wonderland").await.unwrap();
    with_tokens(&client).get(api(&other)).send().await.unwrap();
    assert_eq!(seen(&other), ["none", "bearer a1"]);
}

#[tokio::test]
async fn a_request_that_names_its_own_token_keeps_it() {
    let server = refusing(INVALID).await;
    let client = logged_in(&server).await;
    let request = with_tokens(&client).get(api(&server)).bearer_auth("own");
    request.send().await.unwrap();
    assert_eq!(seen(&server), ["bearer own"]);
}

#[tokio::test]
async fn without_a_token_nothing_is_sent() {
    let server = refusing(INVALID).await;
    let client = Client::builder(server.address()).build().unwrap();
    let error = with_tokens(&client)
        .get(api(&server))
        .send()
        .await
        .unwrap_err();
    let Error::Middleware(error) = error else {
        panic!("{error:?}");
    };
    let error = error.downcast_ref().unwrap();
    assert!(
        matches!(error, TokenError::LoginRequired { .. }),
        "{error:?}"
    );
    assert!(seen(&server).is_empty());
}

/// A token and a body.
type Sent = (Option<HeaderValue>, String);

/// An HTTP client of tower that notes what it sends, and gets a 401 for the first token.
#[derive(Clone, Debug, Default)]
struct Http {
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Service<Request<String>> for Http {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<String>) -> Self::Future {
        let token = request.headers().get(AUTHORIZATION).cloned();
        let refused = token.as_ref().is_some_and(|token| token == "Bearer a0");
        self.sent.lock().unwrap().push((token, request.into_body()));
        let response = Response::builder().status(if refused { 401 } else { 200 });
        let challenge = "Bearer error=\"invalid_token\"";
        ready(Ok(response
            .header("www-authenticate", challenge)
            .body(())
            .unwrap()))
    }
}

impl Http {
    fn tokens(&self) -> Vec<String> {
        let text = |token: &Option<HeaderValue>| {
            let token = token
                .as_ref()
                .map(|token| token.to_str().unwrap().to_owned());
            token.unwrap_or_else(|| "none".to_owned())
        };
        self.sent
            .lock()
            .unwrap()
            .iter()
            .map(|(token, _)| text(token))
            .collect()
    }
}

async fn send(
    layer: &TokenLayer<String>,
    http: &Http,
    uri: &str,
) -> Result<Response<()>, RequestError<Infallible>> {
    let mut service = layer.layer(http.clone());
    poll_fn(|cx| service.poll_ready(cx)).await?;
    let request = Request::post(uri).body("a note".to_owned()).unwrap();
    service.call(request).await
}

#[tokio::test]
async fn the_layer_repeats_a_request_whose_body_can_be_cloned() {
    let server = refusing(INVALID).await;
    let client = logged_in(&server).await;
    let (http, layer) = (Http::default(), TokenLayer::new(client));
    let response = send(&layer, &http, &api(&server)).await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(http.tokens(), ["Bearer a0"]);
    // The token was renewed all the same; with a client of its own the first one is refused again.
    let server = refusing(INVALID).await;
    let client = logged_in(&server).await;
    let (http, layer) = (Http::default(), TokenLayer::new(client));
    let layer = layer.repeat_with(|body: &String| Some(body.clone()));
    let response = send(&layer, &http, &api(&server)).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(http.tokens(), ["Bearer a0", "Bearer a1"]);
    assert!(
        http.sent
            .lock()
            .unwrap()
            .iter()
            .all(|(_, body)| body == "a note")
    );
}

#[tokio::test]
async fn the_layer_sends_tokens_to_named_origins_alone() {
    let server = refusing(INVALID).await;
    let client = logged_in(&server).await;
    let (http, layer) = (Http::default(), TokenLayer::new(client));
    send(&layer, &http, "https://other.example/").await.unwrap();
    send(&layer, &http, "/without/an/origin").await.unwrap();
    send(&layer, &http, &format!("{}/logout", server.address()))
        .await
        .unwrap();
    assert_eq!(http.tokens(), ["none", "none", "none"]);
}

#[tokio::test]
async fn the_layer_sends_nothing_without_a_token() {
    let server = refusing(INVALID).await;
    let client = Client::builder(server.address()).build().unwrap();
    let (http, layer) = (Http::default(), TokenLayer::new(client));
    let error = send(&layer, &http, &api(&server)).await.unwrap_err();
    let RequestError::Token(error) = error else {
        panic!("{error:?}");
    };
    assert!(
        matches!(error, TokenError::LoginRequired { .. }),
        "{error:?}"
    );
    assert!(http.tokens().is_empty());
}
