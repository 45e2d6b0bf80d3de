//! The extractors for the application's own login, logout, step-up and password handlers. Their methods are
//! written by macros of `token-http`'s `adapter`.

use std::future::{Future, Ready, ready};
use std::pin::Pin;

use actix_web::{FromRequest, HttpRequest, dev};
use token_http::Auth;

use crate::answer::{Answer, Rejection};
use crate::app_data::auth;
use crate::head::{OwnedHead, read};

token_http::request_methods!(Answer, Rejection);
token_http::custom_renewal_methods!(Answer, Rejection);

/// Requests that are read with their body; with `await` if the store is asked for the session.
macro_rules! requests {
    ($($(#[$doc:meta])* $name:ident $(.$await:tt)?;)*) => {$(
        token_http::request! { $(#[$doc])* $name }

        impl<A: Clone + Into<Auth> + 'static> FromRequest for $name<A> {
            type Error = Rejection;
            type Future = Pin<Box<dyn Future<Output = Result<Self, Rejection>>>>;

            fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
                let (request, mut payload) = (request.clone(), payload.take());
                Box::pin(async move {
                    let (auth, head) = (auth::<A>(&request)?, OwnedHead::of(&request));
                    let longest = token_http::MAX_BODY;
                    let body = read(&auth, &request, &mut payload, longest).await?;
                    let head = head.borrow();
                    Ok(Self::new(token_http::$name::read(&auth, &head, &body)$(.$await)??))
                })
            }
        }
    )*};
}

/// Requests of which only the head is read; the handler may read the body itself.
macro_rules! heads {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        token_http::request! { $(#[$doc])* $name }

        impl<A: Clone + Into<Auth> + 'static> FromRequest for $name<A> {
            type Error = Rejection;
            type Future = Ready<Result<Self, Rejection>>;

            fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
                let read = || {
                    let (auth, head) = (auth::<A>(request)?, OwnedHead::of(request));
                    Ok(Self::new(token_http::$name::read(&auth, &head.borrow())?))
                };
                ready(read())
            }
        }
    )*};
}

heads! {
    /// A login by another proof than a name and a password in JSON: an HTML form, a passkey, a
    /// one-time link, or the return from another site (OAuth, OpenID Connect). The request has
    /// passed the CSRF rule; its body is yours to read.
    ///
    /// Call [`begin`](Self::begin) before you check the last proof, then [`open`](Self::open) the
    /// session, or [`redirect`](Self::redirect) a browser that followed a link or sent a form.
    /// Both end the session whose cookie came with the request, so that nobody can be given
    /// one beforehand.
    ///
    /// The CSRF rule does not look at a `GET`, such as the return from another site: check the
    /// `state` of [RFC 6749 section
    /// 10.12](https://www.rfc-editor.org/rfc/rfc6749#section-10.12) there.
    ///
    /// ```
    /// # use actix_web::web::Form;
    /// # use adapter_actix::{Answer, CustomLogin, Rejection};
    /// # use token_core::Authentication;
    /// # #[derive(serde::Deserialize)]
    /// # struct Fields { name: String, password: String }
    /// async fn login(login: CustomLogin, form: Form<Fields>) -> Result<Answer, Rejection> {
    ///     login.attempt(&form.name)?;
    ///     let ticket = login.begin(&*form.name).await?;
    ///     if form.password != "wonderland" {
    ///         return Err(login.invalid_credentials()); // or the form again
    ///     }
    ///     let session = login.new_session(Authentication::password(login.at()));
    ///     login.redirect(ticket, session, "/").await
    /// }
    /// ```
    CustomLogin;

    /// A step-up by another proof than a password in JSON: an HTML form, a passkey, a one-time code, or
    /// the return from another site. The body of the request is yours to read.
    ///
    /// Call [`begin`](Self::begin) before you check the proof. It finds the session, by the cookie or by
    /// the refresh token that you give it, and the session says whose proof it has to be. Then
    /// [`renew`](Self::renew) the session's credential, or [`redirect`](Self::redirect) a browser that sent
    /// a form. The credential that was presented ends, as with [`StepUpRequest`].
    ///
    /// The CSRF rule does not look at a `GET`, such as the return from another site: check the `state` of
    /// [RFC 6749 section 10.12](https://www.rfc-editor.org/rfc/rfc6749#section-10.12) there.
    ///
    /// ```
    /// # use adapter_actix::{Answer, CustomStepUp, Rejection};
    /// # use actix_web::web::Form;
    /// # use token_core::{Authentication, Subject, UnixTime};
    /// # #[derive(serde::Deserialize)]
    /// # struct Fields { code: String }
    /// # fn is_code(_: &Subject, code: &str, _: UnixTime) -> bool { code == "123456" }
    /// async fn step_up(step_up: CustomStepUp, form: Form<Fields>) -> Result<Answer, Rejection> {
    ///     let ticket = step_up.begin(None).await?; // of the cookie
    ///     let now = step_up.at();
    ///     if !is_code(&ticket.session().subject, &form.code, now) {
    ///         return Err(step_up.invalid_credentials()); // or the form again
    ///     }
    ///     let amr = vec!["pwd".into(), "otp".into()];
    ///     let authentication = Authentication { time: now, acr: None, amr };
    ///     step_up.redirect(&ticket, authentication, "/transfer").await
    /// }
    /// ```
    CustomStepUp;

    /// A change of password by another request than two passwords in JSON: an HTML form, or a proof that
    /// is no password. The body of the request is yours to read.
    ///
    /// Call [`begin`](Self::begin) before you check the proof, and store the new password in the future
    /// that you give to [`changed`](Self::changed) or [`redirect`](Self::redirect): with it every other
    /// session of the user ends, and this one gets a new credential.
    ///
    /// ```
    /// # use adapter_actix::{Answer, CustomPassword, Rejection};
    /// # use actix_web::web::Form;
    /// # use token_core::Authentication;
    /// # #[derive(serde::Deserialize)]
    /// # struct Fields { old: String, new: String }
    /// async fn password(
    ///     password: CustomPassword,
    ///     form: Form<Fields>,
    /// ) -> Result<Answer, Rejection> {
    ///     let ticket = password.begin(None).await?; // of the cookie
    ///     if form.old != "wonderland" {
    ///         return Err(password.invalid_credentials()); // or the form again
    ///     }
    ///     if form.new.len() < 8 {
    ///         return Err(password.unacceptable());
    ///     }
    ///     let authentication = Authentication::password(password.at());
    ///     let store = async {
    ///         // … store the hash of the new password …
    ///         Ok(())
    ///     };
    ///     password.redirect(&ticket, authentication, "/settings", store).await
    /// }
    /// ```
    CustomPassword;

    /// A logout in a handler of your own, by the access tokens and cookies that came with the
    /// request. `POST /auth/logout` does the same; use this to answer differently, for example
    /// with a redirect.
    ///
    /// ```
    /// # use adapter_actix::{Answer, LogoutRequest, Rejection};
    /// async fn logout(logout: LogoutRequest) -> Result<Answer, Rejection> {
    ///     logout.redirect("/").await
    /// }
    /// ```
    LogoutRequest;
}

requests! {
    /// A request to log in, with a user name and a password in JSON. It has passed the CSRF rule
    /// and the limit on attempts; the handler checks the password.
    ///
    /// Call [`begin`](Self::begin) before you check the password, and answer an unknown user like
    /// a wrong password, after the same work, with
    /// [`invalid_credentials`](Self::invalid_credentials).
    LoginRequest;

    /// A request to change the password, with a refresh token or session cookie that is valid.
    /// The handler checks both passwords and stores the new one.
    PasswordRequest.await;

    /// A request to authenticate again in a session, with a refresh token or session cookie that
    /// is valid. The handler checks the password.
    StepUpRequest.await;
}
