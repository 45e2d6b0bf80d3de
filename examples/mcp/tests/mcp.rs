//! The SDK's own client, which is given the server's address alone and logs in at a provider that runs here. It needs what
//! `cargo xtask test examples` installs: Node.js, and the packages of `package-lock.json`.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use reqwest::redirect::Policy;
use rmcp::model::{CallToolRequestParams, CallToolResult};
use rmcp::service::{ClientInitializeError, RoleClient, RunningService};
use rmcp::transport::auth::{AuthClient, AuthorizationRequest, OAuthState};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig as Config;
use rmcp::transport::{AuthorizationManager, StreamableHttpClientTransport as Transport};
use rmcp::{ServiceExt as _, object};

/// Where the browser is sent back. Nobody listens: the test reads the address.
const BACK: &str = "http://127.0.0.1:1/callback";

type Client = RunningService<RoleClient, ()>;

/// A program that prints its address, and ends with the test.
struct Program {
    child: Child,
    address: String,
    /// Open, since the provider writes more.
    _output: BufReader<ChildStdout>,
}

impl Program {
    fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let address = line.trim_end().to_owned();
        assert!(address.starts_with("http://localhost:"), "{address}");
        Self {
            child,
            address,
            _output: output,
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The provider, and the server that trusts it.
fn start() -> (Program, Program) {
    let provider = Program::start(Command::new("node").arg("tests/provider.mjs"));
    let mut server = Command::new(env!("CARGO_BIN_EXE_mcp"));
    let server = server.arg("127.0.0.1:0").env("ISSUER", &provider.address);
    let server = Program::start(server);
    (provider, server)
}

fn endpoint(server: &Program) -> String {
    format!("{}/mcp", server.address)
}

/// Connects with this text as the access token.
async fn connect(server: &Program, token: &str) -> Result<Client, ClientInitializeError> {
    let config = Config::with_uri(endpoint(server)).auth_header(token);
    ().serve(Transport::from_config(config)).await
}

/// What a refused client is told: where to get a token.
async fn challenge(server: &Program) -> String {
    let transport = Transport::from_uri(endpoint(server));
    let refused = ().serve(transport).await.unwrap_err();
    refused.auth_challenge().unwrap().to_owned()
}

/// Logs in, as a client that knows the address of the server and what it was told. `None`: whatever the server asks for.
async fn log_in(server: &Program, challenge: &str, scope: Option<&str>) -> AuthorizationManager {
    let mut state = OAuthState::new(endpoint(server), None).await.unwrap();
    let request = AuthorizationRequest::new(BACK)
        .with_challenge(challenge)
        .with_application_type("native")
        .with_scopes(scope);
    state.start_authorization(request).await.unwrap();
    let browser = reqwest::Client::builder().cookie_store(true);
    let browser = browser.redirect(Policy::custom(|attempt| {
        if attempt.url().as_str().starts_with(BACK) {
            attempt.stop()
        } else {
            attempt.follow()
        }
    }));
    let page = state.get_authorization_url().await.unwrap();
    let answer = browser.build().unwrap().get(page).send().await.unwrap();
    let back = answer.headers().get("location");
    let back = back.unwrap_or_else(|| unreachable!("{answer:?}"));
    let back = back.to_str().unwrap();
    state.handle_callback_url(back).await.unwrap();
    state.into_authorization_manager().unwrap()
}

fn text(result: &CallToolResult) -> &str {
    &result.content.first().unwrap().as_text().unwrap().text
}

#[tokio::test]
async fn a_client_that_knows_the_address_alone_logs_in_and_calls_the_tools() {
    let (_provider, server) = start();
    let challenge = challenge(&server).await;
    let metadata = format!(
        "{}/.well-known/oauth-protected-resource/mcp",
        server.address
    );
    assert!(
        challenge.contains(&format!("resource_metadata=\"{metadata}\"")),
        "{challenge}"
    );
    let manager = log_in(&server, &challenge, None).await;
    let client = AuthClient::new(reqwest::Client::new(), manager);
    let config = Config::with_uri(endpoint(&server));
    let client = ().serve(Transport::with_client(client, config)).await.unwrap();
    let mut tools: Vec<_> = client.list_all_tools().await.unwrap();
    tools.sort_by(|a, b| a.name.cmp(&b.name));
    let names: Vec<_> = tools.iter().map(|tool| &*tool.name).collect();
    assert_eq!(names, ["keep", "list"]);
    for (note, count) in [("milk", "1 notes"), ("bread", "2 notes")] {
        let call = CallToolRequestParams::new("keep").with_arguments(object!({ "text": note }));
        assert_eq!(text(&client.call_tool(call).await.unwrap()), count);
    }
    let call = CallToolRequestParams::new("list");
    assert_eq!(text(&client.call_tool(call).await.unwrap()), "milk\nbread");
    client.cancel().await.unwrap();
}

#[tokio::test]
async fn a_token_without_the_scope_is_refused_with_the_scope_that_is_missing() {
    let (_provider, server) = start();
    let challenge = challenge(&server).await;
    let manager = log_in(&server, &challenge, Some("other")).await;
    let token = manager.get_access_token().await.unwrap();
    let refused = connect(&server, &token).await.unwrap_err();
    let challenge = refused.auth_challenge().unwrap();
    assert!(
        challenge.contains("error=\"insufficient_scope\""),
        "{challenge}"
    );
    assert!(challenge.contains("scope=\"notes\""), "{challenge}");
}

#[tokio::test]
async fn a_token_for_another_resource_is_refused() {
    let (provider, server) = start();
    let mut other = Command::new(env!("CARGO_BIN_EXE_mcp"));
    let other = Program::start(other.arg("127.0.0.1:0").env("ISSUER", &provider.address));
    let challenge = challenge(&other).await;
    let manager = log_in(&other, &challenge, None).await;
    let token = manager.get_access_token().await.unwrap();
    connect(&other, &token)
        .await
        .unwrap()
        .cancel()
        .await
        .unwrap();
    for token in [&*token, "nonsense"] {
        let refused = connect(&server, token).await.unwrap_err();
        let challenge = refused.auth_challenge().unwrap();
        assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
    }
}

#[tokio::test]
async fn the_id_of_an_mcp_session_is_no_credential() {
    let (_provider, server) = start();
    let challenge = challenge(&server).await;
    let manager = log_in(&server, &challenge, None).await;
    let token = manager.get_access_token().await.unwrap();
    let http = reqwest::Client::builder()
        .timeout(Duration::from_mins(1))
        .build()
        .unwrap();
    let ask = |token: Option<&str>, session: Option<&str>| {
        let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}"#;
        let list = r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#;
        let mut request = http.post(endpoint(&server));
        request = request.header("accept", "application/json, text/event-stream");
        request = request.header("content-type", "application/json");
        request = request.body(if session.is_some() { list } else { initialize });
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(session) = session {
            request = request.header("mcp-session-id", session);
        }
        request.send()
    };
    let opened = ask(Some(&token), None).await.unwrap();
    let session = opened
        .headers()
        .get("mcp-session-id")
        .unwrap()
        .to_str()
        .unwrap();
    assert_eq!(ask(None, Some(session)).await.unwrap().status(), 401);
    assert_ne!(
        ask(Some(&token), Some(session)).await.unwrap().status(),
        401
    );
}
