//! The extractors for the application's own login, step-up and password handlers.

use std::ops::Deref;

use axum::extract::{FromRef, FromRequest, Request};
use token_http::Auth;

use crate::answer::Rejection;
use crate::head::{head, read};

/// A request to log in. The handler checks the password; see [`token_http::LoginRequest`].
#[derive(Debug)]
pub struct LoginRequest(token_http::LoginRequest);

/// A request to authenticate again in a session. The handler checks the password; see
/// [`token_http::StepUpRequest`].
#[derive(Debug)]
pub struct StepUpRequest(token_http::StepUpRequest);

/// A request to change the password. The handler checks both; see
/// [`token_http::PasswordRequest`].
#[derive(Debug)]
pub struct PasswordRequest(token_http::PasswordRequest);

impl Deref for LoginRequest {
    type Target = token_http::LoginRequest;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Deref for StepUpRequest {
    type Target = token_http::StepUpRequest;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Deref for PasswordRequest {
    type Target = token_http::PasswordRequest;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<S> FromRequest<S> for LoginRequest
where
    S: Send + Sync,
    Auth: FromRef<S>,
{
    type Rejection = Rejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, Rejection> {
        let auth = Auth::from_ref(state);
        let (parts, body) = read(&auth, request).await;
        let (head, body) = (head(&parts), body?);
        Ok(Self(token_http::LoginRequest::read(&auth, &head, &body)?))
    }
}

impl<S> FromRequest<S> for StepUpRequest
where
    S: Send + Sync,
    Auth: FromRef<S>,
{
    type Rejection = Rejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, Rejection> {
        let auth = Auth::from_ref(state);
        let (parts, body) = read(&auth, request).await;
        let (head, body) = (head(&parts), body?);
        Ok(Self(
            token_http::StepUpRequest::read(&auth, &head, &body).await?,
        ))
    }
}

impl<S> FromRequest<S> for PasswordRequest
where
    S: Send + Sync,
    Auth: FromRef<S>,
{
    type Rejection = Rejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, Rejection> {
        let auth = Auth::from_ref(state);
        let (parts, body) = read(&auth, request).await;
        let (head, body) = (head(&parts), body?);
        Ok(Self(
            token_http::PasswordRequest::read(&auth, &head, &body).await?,
        ))
    }
}
