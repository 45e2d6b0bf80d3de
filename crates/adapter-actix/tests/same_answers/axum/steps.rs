//! Logins in steps and by way of another site, on axum.

use adapter_axum::{Answer, Any, Caller as _, CustomLogin, PendingLogin, Rejection, Visitor};
use axum::Router;
use axum::extract::Form; // of a `GET` it is the query
use axum::routing::{get, post};
use token_core::Authentication;
use token_http::{Auth, Proven};
use token_session::NewSession;

#[derive(serde::Deserialize)]
pub(super) struct Fields {
    name: String,
    password: String,
}

#[derive(serde::Deserialize)]
struct Proof {
    method: String,
    code: String,
}

#[derive(serde::Deserialize)]
struct Going {
    next: String,
}

#[derive(serde::Deserialize)]
struct Back {
    state: String,
}

/// The first step: a password. `alice` has a one-time password besides, `bob` a key on top of that.
async fn first(login: CustomLogin, Form(form): Form<Fields>) -> Result<Answer, Rejection> {
    login.attempt(&form.name)?;
    let ticket = login.begin(form.name.as_str()).await?;
    if form.password != "wonderland" {
        return Err(login.invalid_credentials());
    }
    let password = Authentication::password(login.at());
    match form.name.as_str() {
        "alice" => login.pend(ticket, password, &["otp"], "/steps").await,
        "bob" => login.pend_json(ticket, password, &["otp", "hwk"]).await,
        _ => login.pend(ticket, password, &[], "/steps").await,
    }
}

/// What is still to be proven.
async fn missing(pending: PendingLogin) -> String {
    let missing: Vec<&str> = pending.missing().collect();
    let left = pending.attempts_left();
    format!("{} {} {left}", pending.subject(), missing.join(" "))
}

/// A further step, by any method.
async fn step(pending: PendingLogin, Form(proof): Form<Proof>) -> Result<Answer, Rejection> {
    let attempt = pending.into_inner().attempt(&proof.method).await?;
    if proof.code != "123456" {
        return Err(attempt.failed().into());
    }
    match attempt
        .acr(&format!("after {}", proof.method))
        .succeeded()
        .await?
    {
        Proven::Complete(login) => {
            let session = NewSession {
                scope: "notes:write".parse().unwrap(),
                ..login.new_session()
            };
            Ok(login.redirect(session, "/page").await?.into())
        }
        // The page that asks for the next proof.
        Proven::Pending(pending) => Ok(pending.redirect("/steps")?.into()),
    }
}

async fn cancel(pending: PendingLogin) -> Result<Answer, Rejection> {
    Ok(pending.into_inner().cancel("/login").await?.into())
}

async fn amr(caller: Any) -> String {
    let acr = caller.acr().unwrap_or("none");
    format!("{} {acr} {}", caller.amr().join(" "), caller.scope())
}

/// Goes to another site.
async fn depart(visitor: Visitor, Form(query): Form<Going>) -> Result<String, Rejection> {
    let departure = visitor.depart(query.next.parse()?).await?;
    let challenge = departure.code_challenge();
    Ok(format!(
        "{} {} {challenge}",
        departure.state(),
        departure.nonce()
    ))
}

/// Comes back from it, and logs in.
async fn arrive(
    visitor: Visitor,
    login: CustomLogin,
    Form(query): Form<Back>,
) -> Result<Answer, Rejection> {
    let arrival = visitor.arrive(&query.state).await?;
    let ticket = login.begin("alice").await?;
    let session = login.new_session(Authentication::password(login.at()));
    login
        .redirect(ticket, session, arrival.next().as_str())
        .await
}

pub(super) fn routes() -> Router<Auth> {
    Router::new()
        .route("/steps/first", post(first))
        .route("/steps", get(missing).post(step))
        .route("/steps/cancel", post(cancel))
        .route("/amr", get(amr))
        .route("/depart", get(depart))
        .route("/arrive", get(arrive))
}
