//! The extractor of pending logins.

use std::future::Future;
use std::pin::Pin;

use actix_web::{FromRequest, HttpRequest, dev};
use token_http::Auth;

use crate::answer::Rejection;
use crate::app_data::auth;
use crate::head::OwnedHead;

token_http::request! {
    /// A login that has begun in this browser ([`CustomLogin::pend`](crate::CustomLogin::pend)) and of which
    /// a proof is still missing. The request has passed the CSRF rule; its body is yours to read. Without a
    /// pending login the request is refused with 401.
    ///
    /// Dereferences to [`token_http::PendingLogin`]; [`into_inner`](Self::into_inner) gives it.
    ///
    /// ```
    /// # use actix_web::web::Form;
    /// # use adapter_actix::{Answer, PendingLogin, Rejection};
    /// use token_http::Proven;
    /// # #[derive(serde::Deserialize)]
    /// # struct Fields { code: String }
    ///
    /// async fn second(pending: PendingLogin, form: Form<Fields>) -> Result<Answer, Rejection> {
    ///     let attempt = pending.into_inner().attempt("otp").await?;
    ///     if form.code != "123456" {
    ///         return Err(attempt.failed().into()); // your check goes here
    ///     }
    ///     match attempt.succeeded().await? {
    ///         Proven::Complete(login) => {
    ///             let session = login.new_session();
    ///             Ok(login.redirect(session, "/").await?.into())
    ///         }
    ///         Proven::Pending(pending) => Ok(pending.redirect("/third")?.into()),
    ///     }
    /// }
    /// ```
    PendingLogin
}

impl<A> PendingLogin<A> {
    /// The pending login without the adapter's type around it.
    pub fn into_inner(self) -> token_http::PendingLogin {
        self.0
    }
}

impl<A> std::ops::Deref for PendingLogin<A> {
    type Target = token_http::PendingLogin;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<A: Clone + Into<Auth> + 'static> FromRequest for PendingLogin<A> {
    type Error = Rejection;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Rejection>>>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let (auth, head) = (auth::<A>(&request)?, OwnedHead::of(&request));
            let pending = token_http::PendingLogin::read(&auth, &head.borrow()).await?;
            Ok(Self::new(pending))
        })
    }
}
