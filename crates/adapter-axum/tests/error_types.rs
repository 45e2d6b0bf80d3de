//! A wrong password answers 401 through the error types that applications have, and another error 500.

use std::convert::Infallible;

use adapter_axum::{Answer, Auth, LoginRequest, Rejection, from_errors};
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::{Router, routing::post};
use token_core::Policy;
use token_core::session::Rights;
use token_http::{LocalPath, NotLocal};
use token_session::test_util::{Outage, TestManager, TroubledStore};
use token_session::{MemoryStore, PermitError};
use tower_service::Service;

/// What an application with `anyhow` or `eyre` has: a refusal is an answer, anything else is 500.
enum AppError<E> {
    Auth(Rejection),
    Other(E),
}

from_errors!(AppError<anyhow::Error>, AppError::Auth);
from_errors!(AppError<eyre::Report>, AppError::Auth);

impl From<anyhow::Error> for AppError<anyhow::Error> {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

impl From<eyre::Report> for AppError<eyre::Report> {
    fn from(error: eyre::Report) -> Self {
        Self::Other(error)
    }
}

impl<E: std::fmt::Display> IntoResponse for AppError<E> {
    fn into_response(self) -> Response {
        match self {
            Self::Auth(rejection) => rejection.into_response(),
            Self::Other(error) => {
                (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
            }
        }
    }
}

/// Something of the application's that fails: only alice has a profile.
fn profile(user: &str) -> std::io::Result<()> {
    let found = user == "alice";
    found
        .then_some(())
        .ok_or_else(|| std::io::ErrorKind::NotFound.into())
}

async fn plain(login: LoginRequest) -> Result<Answer, Rejection> {
    let ticket = login.begin(login.username()).await?;
    if login.password() != "wonderland" {
        return Err(login.invalid_credentials());
    }
    login.open(ticket, login.new_session()).await
}

async fn with_anyhow(login: LoginRequest) -> Result<Answer, AppError<anyhow::Error>> {
    let ticket = login.begin(login.username()).await?;
    anyhow::Context::context(profile(login.username()), "no profile")?;
    if login.password() != "wonderland" {
        return Err(login.invalid_credentials().into());
    }
    Ok(login.open(ticket, login.new_session()).await?)
}

async fn with_eyre(login: LoginRequest) -> Result<Answer, AppError<eyre::Report>> {
    let ticket = login.begin(login.username()).await?;
    eyre::WrapErr::wrap_err(profile(login.username()), "no profile")?;
    if login.password() != "wonderland" {
        return Err(login.invalid_credentials().into());
    }
    Ok(login.open(ticket, login.new_session()).await?)
}

async fn status(mut app: Router, path: &str, user: &str, password: &str) -> StatusCode {
    let body = format!(r#"{{"username":"{user}","password":"{password}"}}"#);
    let request = Request::builder().method("POST").uri(path);
    let request = request.header(CONTENT_TYPE, "application/json");
    let request = request.body(Body::from(body)).expect("a request");
    let response: Result<Response, Infallible> = app.call(request).await;
    response.expect("a router never fails").status()
}

#[tokio::test]
async fn a_wrong_password_is_401_through_each_error_type() {
    let auth = Auth::in_memory("http://127.0.0.1:3000").expect("an origin");
    let app = Router::new()
        .route("/plain", post(plain))
        .route("/anyhow", post(with_anyhow))
        .route("/eyre", post(with_eyre))
        .with_state(auth);
    for path in ["/plain", "/anyhow", "/eyre"] {
        let good = status(app.clone(), path, "alice", "wonderland").await;
        assert_eq!(good, StatusCode::OK, "{path}");
        let wrong = status(app.clone(), path, "alice", "looking-glass").await;
        assert_eq!(wrong, StatusCode::UNAUTHORIZED, "{path}");
    }
    for path in ["/anyhow", "/eyre"] {
        let failed = status(app.clone(), path, "bob", "wonderland").await;
        assert_eq!(failed, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
    }
}

#[tokio::test]
async fn a_path_of_another_site_is_400_and_rights_that_cannot_be_stored_are_503() {
    let status = |error: AppError<anyhow::Error>| error.into_response().status();
    let elsewhere: NotLocal = "//evil.example"
        .parse::<LocalPath>()
        .expect_err("another site");
    assert_eq!(status(elsewhere.into()), StatusCode::BAD_REQUEST);
    let outage = Outage::default();
    let store = TroubledStore::new(MemoryStore::with_capacity(10), outage.clone());
    let test = TestManager::with_store(store, Policy::default(), |builder| builder);
    let alice = "alice".parse().expect("a subject");
    outage.begin();
    let failed: PermitError = test
        .manager
        .permit_all(&alice, Rights::default())
        .await
        .expect_err("an outage");
    assert_eq!(status(failed.into()), StatusCode::SERVICE_UNAVAILABLE);
}
