//! The quick start as a function of AWS Lambda, behind API Gateway or an Application Load Balancer. `docs/lambda.md`
//! walks through it.
//!
//! `ORIGIN` is the address that browsers see, and `KEYS` says where the keys are: `env:NAME` or a file.

mod gateway;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::{Router, routing::get, routing::post};
use hallpass::axum::{Answer, Any, Auth, LoginRequest, Rejection, routes, sessions};
use hallpass::http::{Attempt, AttemptKind};
use hallpass::keys::KeySource;
use hallpass::{MemoryStore, Policy};
use lambda_http::tower::ServiceExt as _;

async fn login(login: LoginRequest) -> Result<Answer, Rejection> {
    let ticket = login.begin(login.username()).await?; // before the password is checked
    if login.password() != "wonderland" {
        return Err(login.invalid_credentials()); // your check goes here
    }
    login.open(ticket, login.new_session()).await
}

async fn hello(caller: Any) -> String {
    format!("Hello, {}!\n", caller.subject())
}

/// Twenty passwords a minute for an address and instance: a limit for all instances asks a store that they share.
fn limit() -> impl Fn(Attempt<'_>) -> Result<(), Duration> {
    const MINUTE: Duration = Duration::from_mins(1);
    let minute = Mutex::new((Instant::now(), HashMap::<Option<IpAddr>, u32>::new()));
    move |attempt| {
        if !matches!(attempt.kind, AttemptKind::Login(_)) {
            return Ok(());
        }
        let mut minute = minute.lock().unwrap_or_else(PoisonError::into_inner);
        let (begin, counts) = &mut *minute;
        if begin.elapsed() >= MINUTE {
            *begin = Instant::now();
            counts.clear();
        }
        let count = counts.entry(attempt.address).or_default();
        *count += 1;
        if *count > 20 {
            return Err(MINUTE.saturating_sub(begin.elapsed()));
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    let (origin, keys) = (std::env::var("ORIGIN")?, std::env::var("KEYS")?);
    // Instances share nothing but what is outside of them: yours is `PostgresStore` or `RedisStore`.
    let store = MemoryStore::with_capacity(10_000);
    let keys: KeySource = keys.parse()?;
    let settings = Auth::open_with(&origin, store, keys, Policy::default(), |config| {
        config.limit(limit())
    });
    let (auth, background) = settings.await?;
    let app = Router::new()
        .route("/auth/login", post(login))
        .route("/hello", get(hello).post(hello))
        .merge(routes(&auth))
        .layer(sessions())
        .with_state(auth);
    lambda_http::run(app.map_request(gateway::as_sent)).await?;
    background.end().await;
    Ok(())
}
