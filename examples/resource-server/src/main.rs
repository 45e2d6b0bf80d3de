//! Another service: it accepts the access tokens of a login example, and knows nothing of it but
//! its URL. It keeps no sessions, no store and no secret but, where it asks about revocation, a
//! key of its own.

use std::error::Error;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use axum::routing::get;
use axum::{Json, Router};
use clap::{Parser, ValueEnum};
use serde_json::{Value, json};
use token_core::{Audience, Issuer};
use token_remote::{FetchError, Introspection, RemoteJwks};
use tokio::net::TcpListener;
use tracing::warn;

mod caller;

use caller::{Caller, Tokens};

/// An example of a service that accepts the access tokens of another.
#[derive(Debug, Parser)]
struct Flags {
    /// The address to listen on; port 0 picks a free one.
    #[arg(long, env = "TOKENS_LISTEN", default_value = "127.0.0.1:3001")]
    listen: SocketAddr,

    /// The URL of the server whose tokens are accepted. Where its keys are, its metadata says.
    #[arg(long, env = "TOKENS_ISSUER", value_name = "URL")]
    issuer: Issuer,

    /// What tokens for this service have as `aud`.
    #[arg(long, env = "TOKENS_AUDIENCE", value_name = "ID")]
    audience: Audience,

    /// Whether a token of an ended session is refused before it expires.
    #[arg(
        long,
        env = "TOKENS_REVOCATION",
        value_name = "HOW",
        default_value = "none"
    )]
    revocation: Revocation,

    /// The key that the issuer was given for this service, with `--revocation introspection`.
    #[arg(
        long,
        env = "TOKENS_INTROSPECTION_KEY",
        value_name = "KEY",
        required_if_eq("revocation", "introspection"),
        hide_env_values = true
    )]
    introspection_key: Option<String>,

    /// How often the issuer is asked for its keys at most, whatever comes in.
    #[arg(long, env = "TOKENS_INTERVAL", value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    interval: Duration,
}

/// Whether a token of an ended session is refused before it expires.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Revocation {
    /// No: it is accepted until it expires.
    None,
    /// Yes: the issuer is asked at each request, and without its answer nobody is let in.
    Introspection,
}

async fn me(caller: Caller) -> Json<Value> {
    Json(json!({ "sub": caller.subject, "scope": caller.scope }))
}

async fn reports(caller: Caller) -> Result<Json<Value>, adapter_axum::Rejection> {
    caller.require("reports:read")?;
    Ok(Json(
        json!({ "reports": ["Looking-glass sales", "Tea parties"] }),
    ))
}

/// What cannot be is found now. An issuer that is only away is asked again by the requests.
fn unless_outage(what: &str, asked: Result<(), FetchError>) -> Result<(), Box<dyn Error>> {
    match asked {
        Err(error) if error.is_outage() => warn!("{what}: {error}; going on without"),
        Err(error) => return Err(format!("{what}: {error}").into()),
        Ok(()) => {}
    }
    Ok(())
}

async fn start(flags: Flags) -> Result<(TcpListener, Router), Box<dyn Error>> {
    let keys = RemoteJwks::builder(flags.issuer.clone(), flags.audience).interval(flags.interval);
    let keys = keys.build().map_err(|error| format!("--issuer: {error}"))?;
    unless_outage("--issuer", keys.fetch().await)?;
    let introspection = match (flags.revocation, &flags.introspection_key) {
        (Revocation::Introspection, Some(key)) => {
            let introspection = Introspection::at_issuer(flags.issuer, key);
            let introspection = introspection.map_err(|e| format!("--introspection-key: {e}"))?;
            // Whether the issuer knows the key shows with any question.
            let asked = introspection.is_active("nothing").await.map(drop);
            if let Err(error @ FetchError::Status { status: 401, .. }) = &asked {
                let advice = "give the key that the issuer was started with";
                return Err(format!("--introspection-key: {error}; {advice}").into());
            }
            unless_outage("--introspection-key", asked)?;
            Some(introspection)
        }
        _ => None,
    };
    let listener = TcpListener::bind(flags.listen).await;
    let listener = listener.map_err(|error| {
        format!(
            "cannot listen on {}: {error}; name another with --listen",
            flags.listen
        )
    })?;
    let router = Router::new()
        .route("/api/me", get(me))
        .route("/api/reports", get(reports))
        .with_state(Tokens::new(keys, introspection));
    Ok((listener, router))
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
