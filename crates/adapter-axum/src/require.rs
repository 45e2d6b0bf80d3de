//! The extractor of callers who meet a rule.

use std::marker::PhantomData;
use std::ops::Deref;

use axum::extract::FromRequestParts;
use http::request::Parts;
use token_http::adapter::{Found, Ruled};

use crate::answer::Rejection;
use crate::any::Any;

/// A caller who meets a [`Rule`](crate::Rule): scopes, claims, and how recent and how strong the authentication is.
/// `A` is the extractor of the caller: [`Any`] (the default), [`Access`](crate::Access),
/// [`ServerSession`](crate::ServerSession) or, with the feature `remote`, `Foreign`.
///
/// ```
/// use std::time::Duration;
/// use adapter_axum::{Access, Require, Rule};
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
/// use adapter_axum::{Any, Require, Rule};
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
/// # use adapter_axum::{Any, Require, Rule};
/// # #[derive(serde::Deserialize)]
/// # struct Profile {
/// #     role: String,
/// # }
/// # enum Moderator {}
/// # impl Rule<Profile> for Moderator {}
/// async fn hide_post(_caller: Require<Moderator, Any>) {}
/// # fn app() -> axum::Router<adapter_axum::Auth> {
/// axum::Router::new().route("/hide", axum::routing::post(hide_post))
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

impl<S, R, A> FromRequestParts<S> for Require<R, A>
where
    S: Send + Sync,
    A: FromRequestParts<S, Rejection = Rejection>
        + Deref<Target: Found + Ruled<R> + Sized + Sync>
        + Send,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let caller = A::from_request_parts(parts, state).await?;
        caller.require::<R>()?;
        caller.require_current::<R>().await?;
        let rule = PhantomData;
        Ok(Self { caller, rule })
    }
}
