//! The extractors for the application's own login, step-up and password handlers.

use std::ops::Deref;

use axum::extract::{FromRef, FromRequest, Request};
use token_http::Auth;

use crate::answer::Rejection;
use crate::head::{head, read};

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

        impl<S> FromRequest<S> for $name
        where
            S: Send + Sync,
            Auth: FromRef<S>,
        {
            type Rejection = Rejection;

            async fn from_request(request: Request, state: &S) -> Result<Self, Rejection> {
                let auth = Auth::from_ref(state);
                let (parts, body) = read(&auth, request).await;
                let (head, body) = (head(&parts), body?);
                Ok(Self(token_http::$name::read(&auth, &head, &body)$(.$await)??))
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
