//! The server that the guide begins with, from its start to its end and once more.

#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "a test, of an example with a `main`"
)]

#[path = "../examples/server.rs"]
mod server;

use std::net::SocketAddr;
use std::path::Path;

use server::run;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Runs the server while `client` asks it, and then ends it.
async fn while_it_runs<T: Send + 'static>(
    folder: &Path,
    client: impl FnOnce(SocketAddr) -> T + Send + 'static,
) -> T {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    // The name of the issuer stays, whatever the port is.
    let server = run(listener, "http://127.0.0.1:3000", folder, async {
        let _ = stopped.await;
    });
    let client = async {
        let result = tokio::task::spawn_blocking(move || client(address)).await;
        drop(stop);
        result.unwrap()
    };
    let (ended, result) = tokio::join!(server, client);
    ended.unwrap();
    result
}

struct Client {
    agent: ureq::Agent,
    address: SocketAddr,
}

impl Client {
    fn new(address: SocketAddr) -> Self {
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        // A connection that stays open would delay the end of the server.
        let config = config.max_idle_connections(0);
        let agent = config.build().into();
        Self { agent, address }
    }

    fn post(&self, path: &str, body: &serde_json::Value) -> (u16, serde_json::Value) {
        let url = format!("http://{}{path}", self.address);
        let request = self.agent.post(url).content_type("application/json");
        let mut answer = request.send(body.to_string()).unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        let body = serde_json::from_str(&text).unwrap_or_default();
        (answer.status().as_u16(), body)
    }

    fn hello(&self, tokens: &serde_json::Value) -> (u16, String) {
        let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
        let url = format!("http://{}/hello", self.address);
        let request = self.agent.get(url).header("Authorization", bearer);
        let mut answer = request.call().unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        (answer.status().as_u16(), text)
    }
}

#[tokio::test]
async fn it_signs_up_logs_in_and_knows_everybody_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = while_it_runs(folder.path(), |address| {
        let client = Client::new(address);
        let alice = serde_json::json!({ "username": "alice", "password": "wonderland" });
        assert_eq!(client.post("/auth/login", &alice).0, 401);
        assert_eq!(client.post("/sign-up", &alice).0, 200);
        assert_eq!(client.post("/sign-up", &alice).0, 409);
        let short = serde_json::json!({ "username": "bob", "password": "builder" });
        assert_eq!(client.post("/sign-up", &short).0, 400);
        let wrong = serde_json::json!({ "username": "alice", "password": "looking-glass" });
        assert_eq!(client.post("/auth/login", &wrong).0, 401);
        let (status, tokens) = client.post("/auth/login", &alice);
        assert_eq!(status, 200);
        assert_eq!(client.hello(&tokens), (200, "Hello, alice!\n".to_owned()));
        tokens
    })
    .await;

    while_it_runs(folder.path(), move |address| {
        let client = Client::new(address);
        assert_eq!(client.hello(&tokens).0, 200);
        let refresh = serde_json::json!({ "refresh_token": tokens["refresh_token"] });
        let (status, renewed) = client.post("/auth/refresh", &refresh);
        assert_eq!(status, 200);
        let refresh = serde_json::json!({ "refresh_token": renewed["refresh_token"] });
        assert_eq!(client.post("/auth/logout", &refresh).0, 204);
        assert_eq!(client.hello(&renewed).0, 401);
    })
    .await;
}
