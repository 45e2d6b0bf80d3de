//! A wrong password answers 401 through the error types that applications have, and another error 500.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::rt::System;
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, HttpResponse, ResponseError, web};
use adapter_actix::{Answer, Auth, LoginRequest, Rejection, from_errors, routes};
use token_core::Policy;
use token_core::session::Rights;
use token_http::{LocalPath, NotLocal};
use token_session::test_util::{Outage, TestManager, TroubledStore};
use token_session::{MemoryStore, PermitError};

/// What an application with `anyhow` or `eyre` has: a refusal is an answer, anything else is 500.
#[derive(Debug)]
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

impl<E: fmt::Debug> fmt::Display for AppError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auth(rejection) => rejection.fmt(f),
            Self::Other(_) => f.write_str("an error of the server"),
        }
    }
}

impl<E: fmt::Debug> ResponseError for AppError<E> {
    fn error_response(&self) -> HttpResponse {
        match self {
            Self::Auth(rejection) => rejection.error_response(),
            Self::Other(_) => HttpResponse::InternalServerError().finish(),
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

async fn of_actix(login: LoginRequest) -> Result<Answer, actix_web::Error> {
    let ticket = login.begin(login.username()).await?;
    profile(login.username())?;
    if login.password() != "wonderland" {
        return Err(login.invalid_credentials().into());
    }
    Ok(login.open(ticket, login.new_session()).await?)
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

#[test]
fn a_wrong_password_is_401_through_each_error_type() {
    System::new().block_on(async {
        let auth = Auth::in_memory("http://127.0.0.1:3000").expect("an origin");
        let app = App::new()
            .route("/plain", web::post().to(plain))
            .route("/actix", web::post().to(of_actix))
            .route("/anyhow", web::post().to(with_anyhow))
            .route("/eyre", web::post().to(with_eyre))
            .configure(routes(&auth));
        let app = init_service(app).await;
        let status = async |path: &str, user: &str, password: &str| {
            let body = serde_json::json!({"username": user, "password": password});
            let request = TestRequest::post().uri(path).set_json(body).to_request();
            call_service(&app, request).await.status()
        };
        for path in ["/plain", "/actix", "/anyhow", "/eyre"] {
            let good = status(path, "alice", "wonderland").await;
            assert_eq!(good, StatusCode::OK, "{path}");
            let wrong = status(path, "alice", "looking-glass").await;
            assert_eq!(wrong, StatusCode::UNAUTHORIZED, "{path}");
        }
        for path in ["/anyhow", "/eyre"] {
            let failed = status(path, "bob", "wonderland").await;
            assert_eq!(failed, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        }
    });
}

#[test]
fn a_path_of_another_site_is_400_and_rights_that_cannot_be_stored_are_503() {
    System::new().block_on(async {
        let status = |error: AppError<anyhow::Error>| error.error_response().status();
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
    });
}
