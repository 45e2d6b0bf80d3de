//! Extractors that know an absent credential from one that does not hold.

use std::future::Future;
use std::pin::Pin;

use actix_web::{FromRequest, HttpRequest, dev};
use serde::de::DeserializeOwned;
use token_http::{Auth, Refusal};

use crate::access::Access;
use crate::answer::Rejection;
use crate::any::Any;
use crate::head::auth;
use crate::session::ServerSession;

/// `Some` caller, or `None` where the request has no credential; one that does not hold is
/// refused.
///
/// Use it instead of `Option`, which in actix turns every refusal into `None`: whoever comes
/// with a revoked token would be served as a guest.
///
/// ```
/// # use adapter_actix::{Any, Optional};
/// async fn hello(Optional(caller): Optional<Any>) -> String {
///     match caller {
///         Some(caller) => format!("Hello, {}", caller.subject()),
///         None => "Hello, whoever you are".to_owned(),
///     }
/// }
/// ```
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "taken apart in signatures")]
pub struct Optional<A>(pub Option<A>);

/// The extractors of callers.
pub(crate) trait Extract: Sized + 'static {
    /// `None` where there is no credential.
    fn extract(
        request: &HttpRequest,
        auth: &Auth,
    ) -> impl Future<Output = Result<Option<Self>, Rejection>>;
}

type Extraction<A> = Pin<Box<dyn Future<Output = Result<A, Rejection>>>>;

fn demand<A: Extract>(request: &HttpRequest) -> Extraction<A> {
    let request = request.clone();
    Box::pin(async move {
        let auth = auth(&request)?;
        let caller = A::extract(&request, auth).await?;
        Ok(caller.ok_or_else(|| auth.reject(Refusal::Unauthorized))?)
    })
}

fn allow<A: Extract>(request: &HttpRequest) -> Extraction<Optional<A>> {
    let request = request.clone();
    Box::pin(async move {
        let auth = auth(&request)?;
        Ok(Optional(A::extract(&request, auth).await?))
    })
}

/// actix has a blanket `FromRequest` for `Option<T>` only, so these are written out.
macro_rules! extractors {
    ($($caller:ty $(, $claims:ident)?;)*) => {$(
        impl $(<$claims: DeserializeOwned + Send + Sync + 'static>)? FromRequest for $caller {
            type Error = Rejection;
            type Future = Extraction<Self>;

            fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
                demand(request)
            }
        }

        impl $(<$claims: DeserializeOwned + Send + Sync + 'static>)? FromRequest for Optional<$caller> {
            type Error = Rejection;
            type Future = Extraction<Self>;

            fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
                allow(request)
            }
        }
    )*};
}

extractors! {
    Access<C>, C;
    Any<C>, C;
    ServerSession;
}
