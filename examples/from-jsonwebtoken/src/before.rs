//! The application as it was: it signs tokens itself, with the crate `jsonwebtoken`, and takes them in `Authorization`
//! or in a cookie. `docs/from-jwt.md` walks through what changes.
//!
//! `before ADDRESS DATABASE ALGORITHM PRIVATE PUBLIC`: files with the keys in PEM. For HS256 both are the secret.

mod users;

use std::error::Error;
use std::fs;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{FromRef, FromRequestParts, Json, State};
use axum::http::header::{AUTHORIZATION, COOKIE, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Router, serve};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::users::{User, Users};

const ISSUER: &str = "https://app.example";
const LIFETIME: u64 = 24 * 60 * 60;

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    ver: i64,
    iat: u64,
    exp: u64,
}

struct Tokens {
    algorithm: Algorithm,
    signing: EncodingKey,
    verifying: DecodingKey,
}

impl Tokens {
    fn read(algorithm: &str, private: &str, public: &str) -> Result<Self, Box<dyn Error>> {
        let (private, public) = (fs::read(private)?, fs::read(public)?);
        let algorithm = algorithm.parse()?;
        let (signing, verifying) = match algorithm {
            Algorithm::HS256 => (
                EncodingKey::from_secret(&private),
                DecodingKey::from_secret(&public),
            ),
            Algorithm::RS256 => (
                EncodingKey::from_rsa_pem(&private)?,
                DecodingKey::from_rsa_pem(&public)?,
            ),
            Algorithm::ES256 => (
                EncodingKey::from_ec_pem(&private)?,
                DecodingKey::from_ec_pem(&public)?,
            ),
            Algorithm::EdDSA => (
                EncodingKey::from_ed_pem(&private)?,
                DecodingKey::from_ed_pem(&public)?,
            ),
            _ => return Err("HS256, RS256, ES256 or EdDSA".into()),
        };
        Ok(Self {
            algorithm,
            signing,
            verifying,
        })
    }

    fn sign(&self, user: &User) -> Result<String, StatusCode> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now
            .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?
            .as_secs();
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: user.name.clone(),
            ver: user.version,
            iat: now,
            exp: now + LIFETIME,
        };
        let token = encode(&Header::new(self.algorithm), &claims, &self.signing);
        token.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn verify(&self, token: &str) -> Option<Claims> {
        let mut validation = Validation::new(self.algorithm);
        validation.set_issuer(&[ISSUER]);
        validation.validate_nbf = true;
        let verified = decode(token, &self.verifying, &validation);
        verified.ok().map(|token| token.claims)
    }
}

#[derive(Clone, FromRef)]
struct App {
    tokens: Arc<Tokens>,
    users: Users,
}

/// The token of the request: in `Authorization`, or in the cookie.
fn token(headers: &HeaderMap) -> Option<&str> {
    if let Some(field) = headers.get(AUTHORIZATION) {
        return field.to_str().ok()?.strip_prefix("Bearer ");
    }
    let mut cookies = headers.get(COOKIE)?.to_str().ok()?.split("; ");
    cookies.find_map(|cookie| cookie.strip_prefix("token="))
}

impl FromRequestParts<App> for User {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, StatusCode> {
        let claims = token(&parts.headers).and_then(|token| app.tokens.verify(token));
        let claims = claims.ok_or(StatusCode::UNAUTHORIZED)?;
        let user = app.users.named(&claims.sub).await.map_err(fault)?;
        let user = user.filter(|user| user.version == claims.ver);
        user.ok_or(StatusCode::UNAUTHORIZED)
    }
}

fn fault(_: sqlx::Error) -> StatusCode {
    StatusCode::INTERNAL_SERVER_ERROR
}

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

#[derive(Deserialize)]
struct NewPassword {
    new_password: String,
}

async fn login(
    State(app): State<App>,
    Json(given): Json<Credentials>,
) -> Result<impl IntoResponse, StatusCode> {
    let user = app.users.named(&given.username).await.map_err(fault)?;
    let user = user.filter(|user| user.has_password(&given.password));
    let token = app.tokens.sign(&user.ok_or(StatusCode::UNAUTHORIZED)?)?;
    let cookie = format!("token={token}; HttpOnly; SameSite=Lax; Path=/; Max-Age={LIFETIME}");
    Ok(([(SET_COOKIE, cookie)], Json(json!({ "token": token }))))
}

/// Clients forget the token. The token itself is good until it expires.
async fn logout() -> impl IntoResponse {
    let deletion = "token=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0";
    (StatusCode::NO_CONTENT, [(SET_COOKIE, deletion)])
}

async fn password(
    user: User,
    State(users): State<Users>,
    Json(given): Json<NewPassword>,
) -> Result<StatusCode, StatusCode> {
    let done = users.set_password(&user.name, &given.new_password).await;
    done.map_err(fault)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn me(user: User) -> String {
    user.name
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [address, database, algorithm, private, public] = &args[..] else {
        return Err("ADDRESS DATABASE ALGORITHM PRIVATE PUBLIC".into());
    };
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("http://{}", listener.local_addr()?);
    let app = App {
        tokens: Arc::new(Tokens::read(algorithm, private, public)?),
        users: Users::open(database).await?,
    };
    let routes = Router::new()
        .route("/me", get(me))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .route("/password", post(password))
        .with_state(app);
    Ok(serve(listener, routes).await?)
}
