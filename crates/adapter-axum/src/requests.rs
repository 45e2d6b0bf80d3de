//! The extractors for the application's own login, logout, step-up and password handlers.

use std::ops::Deref;

use axum::extract::{FromRef, FromRequest, FromRequestParts, Request};
use http::request::Parts;
use token_http::Auth;

use crate::answer::Rejection;
use crate::head::{head, read};

/// A request of token-http, for this framework.
macro_rules! wrapper {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(token_http::$name);

        impl Deref for $name {
            type Target = token_http::$name;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }
    };
}

/// Reads each kind of request, with its body; `await` where the store is asked for its session.
macro_rules! requests {
    ($($(#[$doc:meta])* $name:ident $(.$await:tt)?;)*) => {$(
        wrapper!($(#[$doc])* $name);

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

/// The same for requests of which only the head is read, before or beside the body.
macro_rules! heads {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        wrapper!($(#[$doc])* $name);

        impl<S> FromRequestParts<S> for $name
        where
            S: Send + Sync,
            Auth: FromRef<S>,
        {
            type Rejection = Rejection;

            async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
                let auth = Auth::from_ref(state);
                Ok(Self(token_http::$name::read(&auth, &head(parts))?))
            }
        }
    )*};
}

heads! {
    /// A login by another proof than a name and a password in JSON: a form, a passkey, the word of
    /// another site. It stands before the extractor of the body; see [`token_http::CustomLogin`].
    ///
    /// ```
    /// # use adapter_axum::{Answer, CustomLogin, Rejection};
    /// # use axum::extract::Form;
    /// # use token_core::Authentication;
    /// # #[derive(serde::Deserialize)]
    /// # struct Fields { name: String, password: String }
    /// async fn login(login: CustomLogin, Form(form): Form<Fields>) -> Result<Answer, Rejection> {
    ///     login.attempt(&form.name)?;
    ///     let subject = form.name.parse().map_err(|_| login.invalid_credentials())?;
    ///     let ticket = login.begin(subject).await?;
    ///     if form.password != "wonderland" {
    ///         return Err(login.invalid_credentials().into()); // or the form again
    ///     }
    ///     let session = login.new_session(Authentication::password(login.at()));
    ///     Ok(login.redirect(ticket, session, "/").await?.into())
    /// }
    /// ```
    CustomLogin;

    /// A logout whose answer is the handler's; see [`token_http::LogoutRequest`].
    ///
    /// ```
    /// # use adapter_axum::{Answer, LogoutRequest, Rejection};
    /// async fn logout(logout: LogoutRequest) -> Result<Answer, Rejection> {
    ///     Ok(logout.redirect("/").await?.into())
    /// }
    /// ```
    LogoutRequest;
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
