//! The extractors for the application's own login, step-up and password handlers.

use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;

use actix_web::{FromRequest, HttpRequest, dev};

use crate::answer::Rejection;
use crate::head::{OwnedHead, auth, read};

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

type Reading<T> = Pin<Box<dyn Future<Output = Result<T, Rejection>>>>;

impl FromRequest for LoginRequest {
    type Error = Rejection;
    type Future = Reading<Self>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let (auth, head) = (auth(&request)?, OwnedHead::of(&request));
            let body = read(&auth, &request, &mut payload).await?;
            let read = token_http::LoginRequest::read(&auth, &head.borrow(), &body);
            Ok(Self(read?))
        })
    }
}

impl FromRequest for StepUpRequest {
    type Error = Rejection;
    type Future = Reading<Self>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let (auth, head) = (auth(&request)?, OwnedHead::of(&request));
            let body = read(&auth, &request, &mut payload).await?;
            let head = head.borrow();
            Ok(Self(
                token_http::StepUpRequest::read(&auth, &head, &body).await?,
            ))
        })
    }
}

impl FromRequest for PasswordRequest {
    type Error = Rejection;
    type Future = Reading<Self>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let (auth, head) = (auth(&request)?, OwnedHead::of(&request));
            let body = read(&auth, &request, &mut payload).await?;
            let head = head.borrow();
            Ok(Self(
                token_http::PasswordRequest::read(&auth, &head, &body).await?,
            ))
        })
    }
}
