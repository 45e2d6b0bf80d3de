//! An MCP server whose tools work for users of an authorization server elsewhere, whose address is in
//! `ISSUER`. `docs/mcp.md` walks through it.

use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use hallpass::axum::{Foreign, ForeignAuth, Require, Rule, protected_resource};
use hallpass::foreign::{Discovery, Profile};
use hallpass::remote::RemoteIssuer;
use hallpass::{ProtectedResource, Subject};
use rmcp::handler::server::{tool::Extension, wrapper::Parameters};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, ServerHandler, tool, tool_handler, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;

/// May keep notes.
enum Notes {}
impl Rule for Notes {
    const SCOPE: &'static str = "notes";
}

/// The caller's notes, by the `sub` of the token. One issuer is trusted, so that is enough to tell users apart.
#[derive(Clone, Default)]
struct Server {
    notes: Arc<Mutex<HashMap<Subject, Vec<String>>>>,
}

#[derive(Deserialize, JsonSchema)]
struct Note {
    text: String,
}

#[tool_router]
impl Server {
    #[tool(description = "Keeps a note, and says how many there are")]
    fn keep(
        &self,
        Parameters(note): Parameters<Note>,
        Extension(parts): Extension<Parts>,
    ) -> Result<String, ErrorData> {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let own = notes.entry(caller(&parts)?).or_default();
        own.push(note.text);
        Ok(format!("{} notes", own.len()))
    }

    #[tool(description = "Lists the notes")]
    fn list(&self, Extension(parts): Extension<Parts>) -> Result<String, ErrorData> {
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let own = notes.get(&caller(&parts)?);
        Ok(own.map_or_else(String::new, |own| own.join("\n")))
    }
}

#[tool_handler]
impl ServerHandler for Server {}

/// Lets requests with a good token through, and notes whose it is. Each request is checked, not only the first of an
/// MCP session: a session id is no credential.
async fn authenticated(
    caller: Require<Notes, Foreign>,
    mut request: Request,
    next: Next,
) -> Response {
    request.extensions_mut().insert(caller.subject().clone());
    next.run(request).await
}

fn caller(parts: &Parts) -> Result<Subject, ErrorData> {
    let subject = parts.extensions.get::<Subject>().cloned();
    subject.ok_or_else(|| ErrorData::internal_error("the request was not authenticated", None))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1);
    let listener =
        tokio::net::TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:3000")).await?;
    let issuer = env::var("ISSUER").map_err(|_| "name the authorization server in ISSUER")?;
    let origin = format!("http://localhost:{}", listener.local_addr()?.port());
    let resource = format!("{origin}/mcp");

    let issuer: hallpass::Issuer = issuer.parse()?;
    // Tokens are for this resource alone: one that was issued for another service is refused.
    let profile = Profile::RFC9068.discovery(Discovery::OpenId);
    let tokens = RemoteIssuer::builder(issuer.clone(), resource.parse()?, profile).build()?;
    let metadata = ProtectedResource::new(&resource)?
        .authorization_server(issuer)
        .scopes(&"notes".parse()?);
    let auth = ForeignAuth::new(tokens, "mcp").protected_resource(&metadata);

    let server = Server::default();
    let mcp = StreamableHttpService::new(
        move || Ok(server.clone()),
        Arc::new(LocalSessionManager::default()),
        StreamableHttpServerConfig::default(),
    );
    let app = Router::new()
        .route_service("/mcp", mcp)
        .layer(from_fn_with_state(auth, authenticated))
        .merge(protected_resource(&metadata));
    println!("{origin}");
    Ok(axum::serve(listener, app).await?)
}
