//! Passkeys as a login, as the second factor after a password, and as a step-up. `docs/proofs.md` walks through it.
//!
//! `alice` and `bob` have the password `wonderland`. It is enough until they have registered a passkey.

use std::sync::{LazyLock, Mutex, MutexGuard};
use std::time::Duration;

use axum::{Json, Router, extract::Form, response::Html, routing::get, routing::post};
use hallpass::axum::{
    Answer, Auth, CustomLogin, CustomPassword, CustomStepUp, PendingLogin, Rejection, Require,
    Rule, ServerSession, Visitor, routes, sessions, visitors,
};
use hallpass::{Authentication, UnixTime, http::Proven};
use serde::Deserialize;
use webauthn_rs::prelude::*;

type Reply<T = Answer> = Result<T, Rejection>;
type Signed = Json<PublicKeyCredential>;
type Made = Json<RegisterPublicKeyCredential>;

/// Has used a passkey within the last five minutes.
enum Passkeyed {}
impl Rule for Passkeyed {
    const AMR: &'static [&'static str] = &["pop"];
    const MAX_AGE: Option<Duration> = Some(Duration::from_mins(5));
}

/// Has proven within the last five minutes all that the account demands.
enum Fresh {}
impl Rule for Fresh {
    const MAX_AGE: Option<Duration> = Some(Duration::from_mins(5));
}

#[derive(Deserialize)]
struct Password {
    name: String,
    password: String,
}

/// The site that the passkeys are for: its host name, and its origin as browsers see it.
static SITE: LazyLock<Webauthn> = LazyLock::new(|| {
    let origin = Url::parse("http://localhost").expect("an address");
    let site = WebauthnBuilder::new("localhost", &origin).expect("a host of this origin");
    site.allow_any_port(true).build().expect("it is complete")
});

/// The passkeys, and whose each is. Yours are in a database.
fn passkeys() -> MutexGuard<'static, Vec<(String, Passkey)>> {
    static PASSKEYS: Mutex<Vec<(String, Passkey)>> = Mutex::new(Vec::new());
    PASSKEYS.lock().expect("nobody panics with it")
}

/// By possession of a key (RFC 8176), with which the browser has verified the user.
fn by_passkey(time: UnixTime) -> Authentication {
    let (acr, amr) = (None, vec!["pop".into(), "mfa".into()]);
    Authentication { time, acr, amr }
}

/// A challenge for this browser, which any passkey of this site may sign.
async fn challenge(visitor: Visitor) -> Reply<Json<RequestChallengeResponse>> {
    let started = SITE.start_discoverable_authentication();
    let (challenge, state) = started.expect("right settings");
    visitor.set("challenge", &state).await?;
    Ok(Json(challenge))
}

/// Whose passkey has signed the challenge of this browser. The challenge is used up.
async fn owner(visitor: &Visitor, signed: &PublicKeyCredential) -> Reply<Option<String>> {
    let challenge = visitor.get("challenge").await?;
    visitor.remove("challenge").await?;
    visitor.save().await?; // of two requests at the same time one is refused here
    Ok(challenge.and_then(|challenge| verify(signed, challenge)))
}

fn verify(signed: &PublicKeyCredential, challenge: DiscoverableAuthentication) -> Option<String> {
    let (mut passkeys, id) = (passkeys(), signed.get_credential_id());
    let (owner, key) = passkeys.iter_mut().find(|(_, key)| key.cred_id() == id)?;
    let used = SITE.finish_discoverable_authentication_v2(signed, challenge, &*key);
    key.update_credential(&used.ok()?); // its counter
    Some(owner.clone())
}

async fn login(visitor: Visitor, login: CustomLogin, Json(signed): Signed) -> Reply {
    let owner = owner(&visitor, &signed).await?;
    let user = owner.ok_or_else(|| login.invalid_credentials())?;
    let still_holds = async { Ok(passkeys().iter().any(|(owner, _)| *owner == user)) };
    let ticket = login.begin_checked(&*user, still_holds).await?;
    let session = login.new_session(by_passkey(login.at()));
    login.redirect(ticket, session, "/").await
}

async fn password(login: CustomLogin, Form(form): Form<Password>) -> Reply {
    login.attempt(&form.name)?;
    let ticket = login.begin(&*form.name).await?; // before anything is checked
    if !["alice", "bob"].contains(&&*form.name) || form.password != "wonderland" {
        return Err(login.invalid_credentials()); // your check goes here
    }
    let password = Authentication::password(login.at());
    if passkeys().iter().any(|(owner, _)| *owner == form.name) {
        return login.pend(ticket, password, &["pop"], "/second").await;
    }
    let session = login.new_session(password);
    login.redirect(ticket, session, "/").await
}

/// The passkey after the password. It has to be one of the same user.
async fn second(visitor: Visitor, pending: PendingLogin, Json(signed): Signed) -> Reply {
    let attempt = pending.into_inner().attempt("pop").await?;
    if owner(&visitor, &signed).await?.as_deref() != Some(attempt.subject().as_str()) {
        return Err(attempt.failed().into());
    }
    let login = match attempt.succeeded().await? {
        Proven::Complete(login) => login,
        Proven::Pending(pending) => return Ok(pending.redirect("/second")?.into()),
    };
    let session = login.new_session();
    Ok(login.redirect(session, "/").await?.into())
}

async fn step_up(visitor: Visitor, step_up: CustomStepUp, Json(signed): Signed) -> Reply {
    let ticket = step_up.begin(None).await?;
    if owner(&visitor, &signed).await?.as_deref() != Some(ticket.session().subject.as_str()) {
        return Err(step_up.invalid_credentials());
    }
    let authentication = by_passkey(step_up.at());
    step_up.redirect(&ticket, authentication, "/").await
}

/// What the browser needs to make a passkey.
async fn options(user: Require<Fresh, ServerSession>) -> Reply<Json<CreationChallengeResponse>> {
    let name = user.subject().as_str();
    let own = |(owner, key): &(String, Passkey)| (owner == name).then(|| key.cred_id().clone());
    let known = passkeys().iter().filter_map(own).collect();
    let started = SITE.start_passkey_registration(Uuid::new_v4(), name, name, Some(known));
    let (options, state) = started.expect("right settings");
    user.set("registration", &state).await?;
    Ok(Json(options))
}

/// Stores the passkey and ends the other sessions, which were opened without it.
async fn register(user: ServerSession, change: CustomPassword, Json(made): Made) -> Reply {
    let ticket = change.begin(None).await?;
    let state: Option<PasskeyRegistration> = user.get("registration").await?;
    let key = state.and_then(|state| SITE.finish_passkey_registration(&made, &state).ok());
    let key = key.ok_or_else(|| change.unacceptable())?;
    user.remove("registration").await?;
    let store = async move {
        let mut all = passkeys();
        let new = all.iter().all(|(_, known)| *known != key); // not so if the request is repeated
        all.extend(new.then(|| (user.subject().to_string(), key)));
        Ok(())
    };
    let before = ticket.session().authentication.clone();
    change.changed(&ticket, before, store).await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:3000".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    let origin = format!("http://localhost:{}", listener.local_addr()?.port());
    println!("{origin}");
    let auth = Auth::in_memory(&origin)?;
    let page = get(async || Html(include_str!("../page.html")));
    let transfer = post(async |_: Require<Passkeyed, ServerSession>| "transferred");
    let app = Router::new()
        .route("/", page.clone())
        .route("/second", page.post(second))
        .route("/challenge", post(challenge))
        .route("/login", post(login))
        .route("/password", post(password))
        .route("/step-up", post(step_up))
        .route("/options", post(options))
        .route("/register", post(register))
        .route("/transfer", transfer)
        .merge(routes(&auth))
        .layer(sessions())
        .layer(visitors())
        .with_state(auth);
    Ok(axum::serve(listener, app).await?)
}
