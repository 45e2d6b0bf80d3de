//! `/api/me` on axum, behind jwt-authorizer: built and never put under load, because it fits the
//! axum before the present one.

use axum_07::{Json, Router, routing::get};
use jwt_authorizer::{IntoLayer as _, JwtAuthorizer, JwtClaims, Validation};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

/// The public key of RFC 8410 section 10.1.
const KEY: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
";

/// The claims, and the answer.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Me {
    sub: String,
    #[serde(rename(deserialize = "sid"))]
    session_id: String,
    scope: String,
    auth_time: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let name = "https://api.example";
    let validation = Validation::new().iss(&[name]).aud(&[name]);
    let authorizer = JwtAuthorizer::<Me>::from_ed_pem_text(KEY).validation(validation);
    let authorizer = authorizer.build().await.expect("the key is good");
    let app = Router::new()
        .route("/api/me", get(answer))
        .layer(authorizer.into_layer());
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("there is a free port");
    axum_07::serve(listener, app).await.expect("it serves");
}

async fn answer(JwtClaims(me): JwtClaims<Me>) -> Json<Me> {
    Json(me)
}
