//! A resource server: it accepts the access tokens of a demo and knows only its URL. It has no
//! sessions. If it asks the issuer about revocation, it has a key for that; or it follows the feed of
//! the issuer's store, if it has access to it.

use std::error::Error;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use axum::routing::get;
use axum::{Json, Router};
use clap::{Parser, ValueEnum};
use hallpass::http::ProofVerifier;
use hallpass::remote::{FetchError, Introspection, RemoteJwks};
use hallpass::{
    Audience, Issuer, Origin, Policy, ProtectedResource, RedisStore, RevocationCheck,
    SessionManager, WhenBehind, ephemeral_issuer,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tracing::warn;

mod caller;
mod nonce_key;

use caller::{Caller, Revocation, Tokens};
use nonce_key::NonceKey;

/// An example of a service that accepts the access tokens of another.
#[derive(Debug, Parser)]
struct Flags {
    /// The address to listen on; port 0 picks a free one.
    #[arg(long, env = "HALLPASS_LISTEN", default_value = "127.0.0.1:3001")]
    listen: SocketAddr,

    /// The URL of the server whose tokens are accepted. Its keys are found through its metadata.
    #[arg(long, env = "HALLPASS_ISSUER", value_name = "URL")]
    issuer: Issuer,

    /// The origin at which clients call this service, for proofs of their keys; by default the listen address.
    #[arg(long, env = "HALLPASS_ORIGIN", value_name = "URL")]
    origin: Option<Origin>,

    /// Demands a nonce in each proof of a key, made with this secret: 64 hexadecimal digits, the same on all nodes
    /// of this service.
    #[arg(
        long,
        env = "HALLPASS_NONCE_KEY",
        value_name = "HEX",
        hide_env_values = true
    )]
    nonce_key: Option<NonceKey>,

    /// The `aud` of tokens for this service.
    #[arg(long, env = "HALLPASS_AUDIENCE", value_name = "ID")]
    audience: Audience,

    /// Whether a token of an ended session is refused before it expires.
    #[arg(
        long,
        env = "HALLPASS_REVOCATION",
        value_name = "HOW",
        default_value = "none"
    )]
    revocation: How,

    /// The key that the issuer has for this service, if `--revocation introspection` is given.
    #[arg(
        long,
        env = "HALLPASS_INTROSPECTION_KEY",
        value_name = "KEY",
        required_if_eq("revocation", "introspection"),
        hide_env_values = true
    )]
    introspection_key: Option<String>,

    /// The issuer's Redis, if `--revocation feed` is given.
    #[arg(
        long,
        env = "HALLPASS_STORE",
        value_name = "URL",
        required_if_eq("revocation", "feed"),
        hide_env_values = true
    )]
    store: Option<String>,

    /// How long the issuer's access tokens live at most, with `--revocation feed`: for that long an
    /// ended session is remembered.
    #[arg(long, env = "HALLPASS_ACCESS_TTL", value_name = "TIME", default_value = "5m", value_parser = humantime::parse_duration)]
    access_ttl: Duration,

    /// How often the issuer is asked for its keys at most.
    #[arg(long, env = "HALLPASS_INTERVAL", value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    interval: Duration,
}

/// Whether a token of an ended session is refused before it expires.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum How {
    /// No: it is accepted until it expires.
    None,
    /// Yes: the issuer is asked at each request. If it does not answer, the request is refused.
    Introspection,
    /// Yes, without a question for each request: the feed of the issuer's store is followed. While
    /// it is behind, requests are refused.
    Feed,
}

async fn me(caller: Caller) -> Json<Value> {
    Json(json!({ "sub": caller.subject, "scope": caller.scope }))
}

async fn reports(caller: Caller) -> Result<Json<Value>, hallpass::axum::Rejection> {
    caller.require("reports:read")?;
    Ok(Json(
        json!({ "reports": ["Looking-glass sales", "Tea parties"] }),
    ))
}

/// Reports a wrong setting at start. If the issuer just cannot be reached, requests will ask again.
fn unless_outage(what: &str, asked: Result<(), FetchError>) -> Result<(), Box<dyn Error>> {
    match asked {
        Err(error) if error.is_outage() => warn!("{what}: {error}; going on without"),
        Err(error) => return Err(format!("{what}: {error}").into()),
        Ok(()) => {}
    }
    Ok(())
}

async fn introspection(flags: &Flags, key: &str) -> Result<Revocation, Box<dyn Error>> {
    let introspection = Introspection::at_issuer(flags.issuer.clone(), key);
    let introspection = introspection.map_err(|e| format!("--introspection-key: {e}"))?;
    // Any question shows whether the issuer knows the key.
    let asked = introspection.is_active("nothing").await.map(drop);
    if let Err(error @ FetchError::Status { status: 401, .. }) = &asked {
        let advice = "give the key that the issuer was started with";
        return Err(format!("--introspection-key: {error}; {advice}").into());
    }
    unless_outage("--introspection-key", asked)?;
    Ok(Revocation::Introspection(introspection))
}

/// Follows the issuer's store like one of its nodes. The manager needs keys, but it neither opens nor
/// renews a session, so they sign nothing.
async fn feed(flags: &Flags, store: &str) -> Result<Revocation, Box<dyn Error>> {
    let bad = |error: &dyn Error| format!("--store: {error}");
    let store = RedisStore::connect(store).await.map_err(|e| bad(&e))?;
    let policy = Policy::builder().access_lifetime(flags.access_ttl);
    let policy = policy
        .build()
        .map_err(|error| format!("--access-ttl: {error}"))?;
    let issuer = ephemeral_issuer(flags.issuer.clone(), flags.audience.clone(), policy)?;
    let manager = SessionManager::builder(store, issuer)
        .revocation_check(RevocationCheck::Feed(WhenBehind::Refuse))
        .build()?;
    // The sessions that have ended are known before the first request.
    manager.catch_up().await.map_err(|e| bad(&e))?;
    tokio::spawn(manager.clone().follow_revocations());
    Ok(Revocation::Feed(manager))
}

async fn start(flags: Flags) -> Result<(TcpListener, Router), Box<dyn Error>> {
    let keys =
        RemoteJwks::builder(flags.issuer.clone(), flags.audience.clone()).interval(flags.interval);
    let keys = keys.build().map_err(|error| format!("--issuer: {error}"))?;
    unless_outage("--issuer", keys.fetch().await)?;
    let revocation = match (flags.revocation, &flags.introspection_key, &flags.store) {
        (How::Feed, _, Some(store)) => feed(&flags, store).await?,
        (How::Introspection, Some(key), _) => introspection(&flags, key).await?,
        _ => Revocation::Nobody,
    };
    let listener = TcpListener::bind(flags.listen).await;
    let listener = listener.map_err(|error| {
        format!(
            "cannot listen on {}: {error}; name another with --listen",
            flags.listen
        )
    })?;
    // A client that knows nothing but this service's address finds the issuer with it (RFC 9728).
    let resource = ProtectedResource::new(flags.audience.as_str()).ok();
    let resource = resource.map(|own| own.authorization_server(flags.issuer.clone()));
    let metadata = resource.as_ref().map(ProtectedResource::metadata_url);
    let api = Router::new()
        .route("/me", get(me))
        .route("/reports", get(reports));
    let router = Router::new().nest("/api", api);
    let router = match &resource {
        Some(resource) => router.merge(hallpass::axum::protected_resource(resource)),
        None => router,
    };
    let origin = match flags.origin {
        Some(origin) => origin,
        None => format!("http://{}", listener.local_addr()?).parse()?,
    };
    let proofs = ProofVerifier::new(origin);
    let proofs = match flags.nonce_key {
        Some(key) => proofs.nonces(key.keys()),
        None => proofs,
    };
    let tokens = Tokens::new(keys, revocation, proofs, metadata);
    Ok((listener, router.with_state(tokens)))
}

#[tokio::main]
async fn main() -> ExitCode {
    let flags = Flags::parse();
    tracing_subscriber::fmt().with_writer(io::stderr).init();
    let (listener, router) = match start(flags).await {
        Ok(started) => started,
        Err(error) => {
            // Where nobody listens there either, the exit code has to do.
            let _ = writeln!(io::stderr(), "error: {error}");
            return ExitCode::from(2);
        }
    };
    let said = listener
        .local_addr()
        .and_then(|address| writeln!(io::stdout(), "listening on http://{address}"));
    match said {
        Ok(()) => axum::serve(listener, router)
            .await
            .map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS),
        Err(_) => ExitCode::FAILURE,
    }
}
