//! The extractor of tokens of another issuer.

use axum::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;
use serde::de::DeserializeOwned;
use token_http::{ForeignAuth, Refusal};

use crate::answer::Rejection;
use crate::head::authorization;

token_http::caller! {
    /// A caller with a valid token of another issuer in `Authorization: Bearer`. `C` is the type of its
    /// other claims. Cookies are ignored, and so are tokens of this library, even if it is the issuer.
    ///
    /// Dereferences to [`token_http::Foreign`], which has the methods. An `Option` of it is `None`
    /// if there is no token; one that is not valid is refused all the same.
    ///
    /// ```
    /// use adapter_axum::{Foreign, Require, Rule};
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

impl<S, C, A> FromRequestParts<S> for Foreign<C, A>
where
    S: Send + Sync,
    A: FromRef<S> + Into<ForeignAuth>,
    C: DeserializeOwned + Send + Sync + 'static,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let auth = foreign_auth::<A, S>(state);
        let caller = auth.foreign(authorization(parts)).await?;
        let refused = || foreign_auth::<A, S>(state).reject(Refusal::Unauthorized);
        Ok(Self::new(caller.ok_or_else(refused)?))
    }
}

impl<S, C, A> OptionalFromRequestParts<S> for Foreign<C, A>
where
    S: Send + Sync,
    A: FromRef<S> + Into<ForeignAuth>,
    C: DeserializeOwned + Send + Sync + 'static,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Rejection> {
        let auth = foreign_auth::<A, S>(state);
        let caller = auth.foreign(authorization(parts)).await?;
        Ok(caller.map(Self::new))
    }
}

/// The issuer that the state has under the type `A`.
fn foreign_auth<A: FromRef<S> + Into<ForeignAuth>, S>(state: &S) -> ForeignAuth {
    A::from_ref(state).into()
}
