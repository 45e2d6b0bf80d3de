//! The extractor of access tokens.

use std::ops::Deref;

use actix_web::HttpRequest;
use serde::de::DeserializeOwned;
use token_core::NoClaims;
use token_http::Auth;

use crate::answer::Rejection;
use crate::extract::{Extract, extractor};
use crate::head::authorization;

/// A caller with a valid access token in `Authorization: Bearer`. `C` is the application's own
/// claims. Cookies are ignored.
///
/// Dereferences to [`token_http::Access`], which has the methods. If a caller may be absent, see
/// [`Optional`](crate::Optional).
#[derive(Debug)]
pub struct Access<C = NoClaims>(token_http::Access<C>);

impl<C> Deref for Access<C> {
    type Target = token_http::Access<C>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<C: DeserializeOwned + Send + Sync + 'static> Extract for Access<C> {
    async fn extract(request: &HttpRequest, auth: &Auth) -> Result<Option<Self>, Rejection> {
        let access = auth.clone().access(authorization(request)).await?;
        Ok(access.map(Self))
    }
}

extractor!(Access);
