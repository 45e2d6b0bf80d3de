//! A login with a password and a code from an authenticator (RFC 6238), on pages without a script. `docs/proofs.md`
//! walks through it.
//!
//! `alice` and `bob` have the password `wonderland`. `alice` has an authenticator too, which is made at start.

mod authenticator;

use std::time::Duration;

use authenticator::{Authenticator, users};
use axum::extract::Form;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::{Router, routing::get, routing::post};
use hallpass::axum::{
    Answer, Auth, CustomLogin, CustomStepUp, LogoutRequest, OrNobody, PendingLogin, Rejection,
    Require, Rule, ServerSession, routes, sessions,
};
use hallpass::{Authentication, http::Proven};
use serde::Deserialize;

/// Has given a code within the last five minutes.
enum SecondFactor {}
impl Rule for SecondFactor {
    const AMR: &'static [&'static str] = &["otp"];
    const MAX_AGE: Option<Duration> = Some(Duration::from_mins(5));
}

#[derive(Deserialize)]
struct Password {
    name: String,
    password: String,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

async fn home(OrNobody(session): OrNobody<ServerSession>) -> Html<&'static str> {
    let guest = include_str!("../pages/login.html");
    Html(session.map_or(guest, |_| include_str!("../pages/home.html")))
}

async fn login(login: CustomLogin, Form(form): Form<Password>) -> Result<Answer, Rejection> {
    login.attempt(&form.name)?;
    let ticket = login.begin(&*form.name).await?; // before anything is checked
    if !["alice", "bob"].contains(&&*form.name) || form.password != "wonderland" {
        return Err(login.invalid_credentials()); // your check goes here
    }
    let password = Authentication::password(login.at());
    if users().contains_key(&form.name) {
        return login.pend(ticket, password, &["otp"], "/login/code").await;
    }
    let session = login.new_session(password);
    login.redirect(ticket, session, "/").await
}

/// The page that asks for the code, in a browser whose login is pending.
async fn ask(_: PendingLogin) -> Html<&'static str> {
    Html(include_str!("../pages/code.html"))
}

async fn code(pending: PendingLogin, Form(form): Form<Code>) -> Result<Response, Rejection> {
    let attempt = pending.into_inner().attempt("otp").await?; // counts it
    if !authenticator::accepts(attempt.subject(), &form.code) {
        return Ok(Redirect::to("/login/code?failed").into_response());
    }
    let answer = match attempt.succeeded().await? {
        Proven::Complete(login) => {
            let session = login.new_session(); // its `amr` is `["pwd", "otp"]`
            login.redirect(session, "/").await?
        }
        Proven::Pending(pending) => pending.redirect("/login/code")?,
    };
    Ok(Answer::from(answer).into_response())
}

async fn step_up(step_up: CustomStepUp, Form(form): Form<Code>) -> Result<Answer, Rejection> {
    let ticket = step_up.begin(None).await?; // the session says whose code it has to be
    if !authenticator::accepts(&ticket.session().subject, &form.code) {
        return Err(step_up.invalid_credentials());
    }
    let (time, acr) = (step_up.at(), None);
    let amr = vec!["pwd".into(), "otp".into()]; // the session began with a password
    let authentication = Authentication { time, acr, amr };
    step_up.redirect(&ticket, authentication, "/").await
}

async fn transfer(_: Require<SecondFactor, ServerSession>) -> &'static str {
    "transferred\n"
}

async fn logout(logout: LogoutRequest) -> Result<Answer, Rejection> {
    logout.redirect("/").await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:3000".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    let origin = format!("http://localhost:{}", listener.local_addr()?.port());
    let (alice, recovery_codes) = Authenticator::new("alice");
    println!(
        "{origin}\n{}\n{}",
        alice.totp.to_url()?,
        recovery_codes.join(" ")
    );
    users().insert("alice".into(), alice);
    let auth = Auth::in_memory(&origin)?;
    let app = Router::new()
        .route("/", get(home))
        .route("/login", post(login))
        .route("/login/code", get(ask).post(code))
        .route("/step-up", post(step_up))
        .route("/transfer", post(transfer))
        .route("/logout", post(logout))
        .merge(routes(&auth))
        .layer(sessions())
        .with_state(auth);
    Ok(axum::serve(listener, app).await?)
}
