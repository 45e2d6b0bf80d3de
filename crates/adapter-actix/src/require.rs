//! The extractor of callers who meet a rule.

use std::future::Future;
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;

use actix_web::{FromRequest, HttpRequest, dev};
use token_http::adapter::{Found, Ruled};

use crate::answer::Rejection;
use crate::any::Any;

/// A caller who meets a [`Rule`](crate::Rule): scopes, claims, and how recent and how strong the authentication is.
/// `A` is the extractor of the caller: [`Any`] (the default), [`Access`](crate::Access),
/// [`ServerSession`](crate::ServerSession) or, with the feature `remote`, `Foreign`.
///
/// ```
/// use std::time::Duration;
/// use adapter_actix::{Access, Require, Rule};
///
/// /// Has typed the password within the last minute.
/// enum JustAuthenticated {}
/// impl Rule for JustAuthenticated {
///     const MAX_AGE: Option<Duration> = Some(Duration::from_mins(1));
/// }
///
/// async fn transfer(caller: Require<JustAuthenticated, Access>) -> String {
///     format!("{} may", caller.subject())
/// }
/// ```
///
/// A rule that looks at the application's own claims:
///
/// ```
/// use adapter_actix::{Any, Require, Rule};
///
/// #[derive(serde::Deserialize)]
/// struct Profile {
///     role: String,
/// }
///
/// enum Moderator {}
/// impl Rule<Profile> for Moderator {
///     fn permits(claims: &Profile) -> bool {
///         claims.role == "moderator"
///     }
/// }
///
/// async fn hide_post(_caller: Require<Moderator, Any<Profile>>) {}
/// ```
///
/// An extractor of callers without these claims does not compile:
///
/// ```compile_fail,E0277
/// # use adapter_actix::{Any, Require, Rule};
/// # #[derive(serde::Deserialize)]
/// # struct Profile {
/// #     role: String,
/// # }
/// # enum Moderator {}
/// # impl Rule<Profile> for Moderator {}
/// async fn hide_post(_caller: Require<Moderator, Any>) {}
/// # fn app() -> actix_web::Route {
/// actix_web::web::post().to(hide_post)
/// # }
/// ```
#[derive(Debug)]
pub struct Require<R, A = Any> {
    caller: A,
    rule: PhantomData<R>,
}

impl<R, A> Require<R, A> {
    /// The caller.
    pub fn into_inner(self) -> A {
        self.caller
    }
}

impl<R, A> Deref for Require<R, A> {
    type Target = A;

    fn deref(&self) -> &A {
        &self.caller
    }
}

impl<R, A> FromRequest for Require<R, A>
where
    R: 'static,
    A: FromRequest<Error = Rejection> + Deref<Target: Found + Ruled<R> + Sized + Sync> + 'static,
{
    type Error = Rejection;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Rejection>>>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let caller = A::from_request(request, payload);
        Box::pin(async move {
            let caller = caller.await?;
            caller.require::<R>()?;
            caller.require_current::<R>().await?;
            let rule = PhantomData;
            Ok(Self { caller, rule })
        })
    }
}
