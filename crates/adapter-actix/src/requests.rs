//! The extractors for the application's own login, step-up and password handlers.

use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;

use actix_web::{FromRequest, HttpRequest, dev};

use crate::answer::Rejection;
use crate::head::{OwnedHead, auth, read};

/// One wrapper for each kind of request; `await` where the store is asked for its session.
macro_rules! requests {
    ($($(#[$doc:meta])* $name:ident $(.$await:tt)?;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(token_http::$name);

        impl Deref for $name {
            type Target = token_http::$name;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        impl FromRequest for $name {
            type Error = Rejection;
            type Future = Pin<Box<dyn Future<Output = Result<Self, Rejection>>>>;

            fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
                let (request, mut payload) = (request.clone(), payload.take());
                Box::pin(async move {
                    let (auth, head) = (auth(&request)?, OwnedHead::of(&request));
                    let body = read(&auth, &request, &mut payload).await?;
                    let head = head.borrow();
                    Ok(Self(token_http::$name::read(&auth, &head, &body)$(.$await)??))
                })
            }
        }
    )*};
}

requests! {
    /// A request to log in. The handler checks the password; see [`token_http::LoginRequest`].
    LoginRequest;

    /// A request to change the password. The handler checks both; see
    /// [`token_http::PasswordRequest`].
    PasswordRequest.await;

    /// A request to authenticate again in a session. The handler checks the password; see
    /// [`token_http::StepUpRequest`].
    StepUpRequest.await;
}
