//! The same application on hallpass, with the same users. Tokens that the application has signed itself are still good.
//!
//! `after ADDRESS DATABASE ALGORITHM PUBLIC PLACE FOLDER UNTIL`: algorithm and key are those of before, and the place
//! of the tokens is `header` or `cookie`. The folder is for the sessions and the keys. Old tokens are adopted until this
//! instant, in Unix seconds.

mod users;

use std::error::Error;
use std::fs;
use std::time::Duration;

use axum::extract::{FromRef, State};
use axum::routing::{get, post};
use axum::{Router, serve};
use hallpass::adopt::{Adoption, JwtReader, OldCookie, OldUser, ReadError};
use hallpass::axum::{Answer, Any, LoginRequest, PasswordRequest, Rejection, routes, sessions};
use hallpass::keys::{KeySource, Rotations};
use hallpass::session::clock::{Clock as _, SystemClock};
use hallpass::{
    Algorithm, Auth, AuthConfig, Authentication, Policy, SessionManager, SqliteStore, Subject,
    TokenIssuer, UnixTime,
};
use serde_json::{Map, Value};

use crate::users::Users;

const ISSUER: &str = "https://app.example";

#[derive(Clone, FromRef)]
struct App {
    auth: Auth,
    users: Users,
}

/// Reads the tokens that were signed before.
fn old_tokens(
    users: Users,
    algorithm: &str,
    public: &str,
    place: &str,
) -> Result<Adoption, Box<dyn Error>> {
    let user = move |claims| old_user(users.clone(), claims);
    let pem = || fs::read_to_string(public);
    let reader = match algorithm {
        "HS256" => JwtReader::secret(&fs::read(public)?, Algorithm::HS256, user)?,
        "RS256" => JwtReader::public_pem(&pem()?, Algorithm::RS256, user)?,
        "ES256" => JwtReader::public_pem(&pem()?, Algorithm::ES256, user)?,
        "EdDSA" => JwtReader::public_pem(&pem()?, Algorithm::EdDSA, user)?,
        _ => return Err("HS256, RS256, ES256 or EdDSA".into()),
    };
    Ok(match place {
        "cookie" => Adoption::of(reader.in_cookie(OldCookie::new("token")))
            .trust_sister_hosts()
            .remember(true), // it was set with `Max-Age`
        _ => Adoption::of(reader),
    })
}

/// Who a token is about, if the application would have taken it: the signature and the times are good.
async fn old_user(users: Users, claims: Map<String, Value>) -> Result<Option<OldUser>, ReadError> {
    if claims.get("iss").and_then(Value::as_str) != Some(ISSUER) {
        return Ok(None);
    }
    let Some(name) = claims.get("sub").and_then(Value::as_str) else {
        return Ok(None);
    };
    let user = users.named(name).await?;
    let version = claims.get("ver").and_then(Value::as_i64);
    // A token from before a change of the password is not taken.
    let Some(user) = user.filter(|user| Some(user.version) == version) else {
        return Ok(None);
    };
    Ok(Some(OldUser::new(Subject::new(user.name)?)))
}

/// The database cannot be asked.
fn fault(_: sqlx::Error) -> Rejection {
    hallpass::http::Rejection::server_error().into()
}

async fn login(State(users): State<Users>, login: LoginRequest) -> Result<Answer, Rejection> {
    let ticket = login.begin(login.username()).await?;
    let user = users.named(login.username()).await.map_err(fault)?;
    match user {
        Some(user) if user.has_password(login.password()) => {
            login.open(ticket, login.new_session()).await
        }
        _ => Err(login.invalid_credentials()),
    }
}

async fn password(
    State(users): State<Users>,
    request: PasswordRequest,
) -> Result<Answer, Rejection> {
    let authentication = Authentication::password(request.at());
    let changed = request.changed_with(authentication, async move |request| {
        let name = request.session().subject.as_str();
        let user = users.named(name).await.map_err(fault)?;
        if !user.is_some_and(|user| user.has_password(request.password())) {
            return Err(request.invalid_credentials());
        }
        let done = users.set_password(name, request.new_password());
        done.await.map_err(fault)
    });
    changed.await
}

async fn me(caller: Any) -> String {
    caller.subject().to_string()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [address, database, algorithm, public, place, folder, until] = &args[..] else {
        return Err("ADDRESS DATABASE ALGORITHM PUBLIC PLACE FOLDER UNTIL".into());
    };
    let listener = tokio::net::TcpListener::bind(address).await?;
    let origin = format!("http://{}", listener.local_addr()?);
    let until = UnixTime::from_secs(until.parse()?)?;
    let policy = Policy::builder().adopts_until(until).build()?;
    let (day, now) = (Duration::from_hours(24), SystemClock.now());
    let rotations = Rotations::new(&policy, day * 30, Duration::from_mins(5))?;
    let keys: KeySource = format!("{folder}/keys.json").parse()?;
    let keys = keys.open(None, Some(&rotations), now)?;
    let (access, refresh) = keys.rings(&rotations, now)?;
    let issuer = TokenIssuer::builder(ISSUER.parse()?, ISSUER.parse()?);
    let issuer = issuer.policy(policy).build(access, refresh);
    let store = SqliteStore::open(format!("{folder}/sessions.db")).await?;
    let manager = SessionManager::builder(store, issuer).build()?;
    let users = Users::open(database).await?;
    let config = AuthConfig::builder(origin.parse()?)
        .adopt(old_tokens(users.clone(), algorithm, public, place)?)
        .build()?;
    let auth = Auth::new(manager, config);
    let app = Router::new()
        .route("/me", get(me))
        .route("/auth/login", post(login))
        .route("/auth/password", post(password))
        .merge(routes(&auth))
        .layer(sessions())
        .with_state(App { auth, users });
    println!("{origin}");
    Ok(serve(listener, app).await?)
}
