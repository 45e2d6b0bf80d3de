//! The extractor of pending logins.

use axum::extract::{FromRef, FromRequestParts};
use http::request::Parts;
use token_http::Auth;

use crate::answer::Rejection;
use crate::head::{auth, head};

token_http::request! {
    /// A login that has begun in this browser ([`CustomLogin::pend`](crate::CustomLogin::pend)) and of which
    /// a proof is still missing. The request has passed the CSRF rule; its body is yours to read, with an
    /// extractor after this one. Without a pending login the request is refused with 401.
    ///
    /// Dereferences to [`token_http::PendingLogin`]; [`into_inner`](Self::into_inner) gives it.
    ///
    /// ```
    /// # use adapter_axum::{Answer, PendingLogin, Rejection};
    /// # use axum::extract::Form;
    /// use token_http::Proven;
    /// # #[derive(serde::Deserialize)]
    /// # struct Fields { code: String }
    ///
    /// async fn second(pending: PendingLogin, Form(form): Form<Fields>) -> Result<Answer, Rejection> {
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

impl<S, A> FromRequestParts<S> for PendingLogin<A>
where
    S: Send + Sync,
    A: FromRef<S> + Into<Auth>,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let auth = auth::<A, S>(state);
        let pending = token_http::PendingLogin::read(&auth, &head(parts)).await?;
        Ok(Self::new(pending))
    }
}
