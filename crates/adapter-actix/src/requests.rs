//! The extractors for the application's own login, logout, step-up and password handlers.

use std::future::{Future, Ready, ready};
use std::ops::Deref;
use std::pin::Pin;

use actix_web::{FromRequest, HttpRequest, dev};

use crate::answer::Rejection;
use crate::head::{OwnedHead, auth, read};

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

        impl FromRequest for $name {
            type Error = Rejection;
            type Future = Pin<Box<dyn Future<Output = Result<Self, Rejection>>>>;

            fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
                let (request, mut payload) = (request.clone(), payload.take());
                Box::pin(async move {
                    let (auth, head) = (auth(&request)?, OwnedHead::of(&request));
                    let body = read(auth, &request, &mut payload).await?;
                    let head = head.borrow();
                    Ok(Self(token_http::$name::read(auth, &head, &body)$(.$await)??))
                })
            }
        }
    )*};
}

/// The same for requests of which only the head is read, before or beside the body.
macro_rules! heads {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        wrapper!($(#[$doc])* $name);

        impl FromRequest for $name {
            type Error = Rejection;
            type Future = Ready<Result<Self, Rejection>>;

            fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
                let read = || {
                    let (auth, head) = (auth(request)?, OwnedHead::of(request));
                    Ok(Self(token_http::$name::read(&auth, &head.borrow())?))
                };
                ready(read())
            }
        }
    )*};
}

heads! {
    /// A login by another proof than a name and a password in JSON: a form, a passkey, the word of
    /// another site. See [`token_http::CustomLogin`].
    ///
    /// ```
    /// # use actix_web::web::Form;
    /// # use adapter_actix::{Answer, CustomLogin, Rejection};
    /// # use token_core::Authentication;
    /// # #[derive(serde::Deserialize)]
    /// # struct Fields { name: String, password: String }
    /// async fn login(login: CustomLogin, form: Form<Fields>) -> Result<Answer, Rejection> {
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
    /// # use adapter_actix::{Answer, LogoutRequest, Rejection};
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
