//! The extractor of callers who meet a rule.

use std::future::Future;
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;

use actix_web::{FromRequest, HttpRequest, dev};
use token_http::Rule;
use token_http::adapter::Found;

use crate::answer::Rejection;
use crate::any::Any;

/// A caller who meets a [`Rule`]: scopes, and how recent and how strong the authentication is. `A` is
/// the extractor of the caller: [`Any`] (the default), [`Access`](crate::Access) or
/// [`ServerSession`](crate::ServerSession).
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
    R: Rule,
    A: FromRequest<Error = Rejection> + Deref<Target: Found + Sized> + 'static,
{
    type Error = Rejection;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Rejection>>>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let caller = A::from_request(request, payload);
        Box::pin(async move {
            let caller = caller.await?;
            caller.auth().require::<R>(&*caller)?;
            let rule = PhantomData;
            Ok(Self { caller, rule })
        })
    }
}
