//! The extractor of tokens of another issuer.

use std::any::type_name;

use actix_web::{FromRequest, HttpRequest, dev, web};
use serde::de::DeserializeOwned;
use token_http::{ForeignAuth, Refusal};

use crate::answer::Rejection;
use crate::extract::{Extraction, Optional};
use crate::head::authorization;

token_http::caller! {
    /// A caller with a valid token of another issuer in `Authorization: Bearer`. `C` is the type of its
    /// other claims. Cookies are ignored, and so are tokens of this library, even if it is the issuer.
    ///
    /// Dereferences to [`token_http::Foreign`], which has the methods. If a caller may be absent,
    /// see [`Optional`](crate::Optional). The issuer is in `app_data`, as `web::Data<ForeignAuth>`.
    ///
    /// ```
    /// use adapter_actix::{Foreign, Require, Rule};
    ///
    /// /// May read notes.
    /// enum ReadNotes {}
    /// impl Rule for ReadNotes {
    ///     const SCOPE: &'static str = "notes:read";
    /// }
    ///
    /// async fn notes(caller: Require<ReadNotes, Foreign>) -> String {
    ///     format!("notes of {}", caller.subject())
    /// }
    /// ```
    Foreign, ForeignAuth
}

impl<C, A> FromRequest for Foreign<C, A>
where
    C: DeserializeOwned + Send + Sync + 'static,
    A: Clone + Into<ForeignAuth> + 'static,
{
    type Error = Rejection;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            match find(&request).await? {
                Some(caller) => Ok(caller),
                None => Err(auth::<A>(&request)?.reject(Refusal::Unauthorized).into()),
            }
        })
    }
}

impl<C, A> FromRequest for Optional<Foreign<C, A>>
where
    C: DeserializeOwned + Send + Sync + 'static,
    A: Clone + Into<ForeignAuth> + 'static,
{
    type Error = Rejection;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Ok(Self(find(&request).await?)) })
    }
}

async fn find<C, A>(request: &HttpRequest) -> Result<Option<Foreign<C, A>>, Rejection>
where
    C: DeserializeOwned + Send + Sync + 'static,
    A: Clone + Into<ForeignAuth> + 'static,
{
    let caller = auth::<A>(request)?.foreign(authorization(request)).await?;
    Ok(caller.map(Foreign::new))
}

/// The issuer that the application has under the type `A`.
fn auth<A: Clone + Into<ForeignAuth> + 'static>(
    request: &HttpRequest,
) -> Result<ForeignAuth, token_http::Rejection> {
    let data = request.app_data::<web::Data<A>>();
    let data = data.ok_or_else(|| {
        let name = type_name::<A>();
        let name = name.rsplit("::").next().unwrap_or(name);
        token_http::Rejection::misconfigured(format!(
            "an extractor found no `web::Data<{name}>` in `app_data`: add \
             `.app_data(web::Data::new(issuer))` to the App, with the `{name}` as `issuer`"
        ))
    })?;
    Ok(A::clone(data).into())
}
