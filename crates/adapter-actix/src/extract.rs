//! What the extractors of callers have in common: a credential that is absent is told from one that
//! is not valid.

use std::future::Future;
use std::pin::Pin;

use actix_web::HttpRequest;
use token_http::adapter::optional;
use token_http::{Auth, Refusal};

use crate::answer::Rejection;
use crate::app_data::auth;

/// `Some` caller, or `None` if the request has no credential, or a session cookie that is bound to the browser
/// without its bound cookie. One that is not valid is refused.
///
/// Use it instead of `Option`, which in actix turns every refusal into `None`: a caller with a
/// revoked token would be served as a guest.
///
/// ```
/// # use adapter_actix::{Any, Optional};
/// async fn hello(Optional(caller): Optional<Any>) -> String {
///     match caller {
///         Some(caller) => format!("Hello, {}", caller.subject()),
///         None => "Hello, guest".to_owned(),
///     }
/// }
/// ```
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "taken apart in signatures")]
pub struct Optional<A>(pub Option<A>);

/// An extractor of callers.
pub(crate) trait Extract: Sized + 'static {
    /// The type under which the application keeps the [`Auth`] that is asked.
    type Auth: Clone + Into<Auth> + 'static;

    /// `None` if there is no credential.
    fn extract(
        request: &HttpRequest,
        auth: Auth,
    ) -> impl Future<Output = Result<Option<Self>, token_http::Rejection>>;
}

/// The future of an extractor, as actix wants it.
pub(crate) type Extraction<A> = Pin<Box<dyn Future<Output = Result<A, Rejection>>>>;

/// Refuses a request without a credential.
pub(crate) fn demand<A: Extract>(request: &HttpRequest) -> Extraction<A> {
    let request = request.clone();
    Box::pin(async move {
        let found = A::extract(&request, auth::<A::Auth>(&request)?).await?;
        match found {
            Some(caller) => Ok(caller),
            None => Err(auth::<A::Auth>(&request)?
                .reject(Refusal::Unauthorized)
                .into()),
        }
    })
}

/// Lets a request without a credential pass.
pub(crate) fn allow<A: Extract>(request: &HttpRequest) -> Extraction<Optional<A>> {
    let request = request.clone();
    Box::pin(async move {
        let found = A::extract(&request, auth::<A::Auth>(&request)?).await;
        Ok(Optional(optional(found)?))
    })
}

/// Makes an extractor of a caller, with `Optional` and without. actix has a blanket implementation
/// for `Option<T>` alone, so each is written out.
macro_rules! extractor {
    ($name:ident) => {
        impl<C, A> actix_web::FromRequest for $name<C, A>
        where
            C: serde::de::DeserializeOwned + Send + Sync + 'static,
            A: Clone + Into<token_http::Auth> + 'static,
        {
            type Error = crate::answer::Rejection;
            type Future = crate::extract::Extraction<Self>;

            fn from_request(
                request: &actix_web::HttpRequest,
                _: &mut actix_web::dev::Payload,
            ) -> Self::Future {
                crate::extract::demand(request)
            }
        }

        impl<C, A> actix_web::FromRequest for crate::extract::Optional<$name<C, A>>
        where
            C: serde::de::DeserializeOwned + Send + Sync + 'static,
            A: Clone + Into<token_http::Auth> + 'static,
        {
            type Error = crate::answer::Rejection;
            type Future = crate::extract::Extraction<Self>;

            fn from_request(
                request: &actix_web::HttpRequest,
                _: &mut actix_web::dev::Payload,
            ) -> Self::Future {
                crate::extract::allow(request)
            }
        }
    };
}
pub(crate) use extractor;
