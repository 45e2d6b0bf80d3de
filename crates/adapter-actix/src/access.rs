//! The extractor of access tokens.

use std::ops::Deref;

use actix_web::HttpRequest;
use serde::de::DeserializeOwned;
use token_core::NoClaims;
use token_http::Auth;

use crate::answer::Rejection;
use crate::head::authorization;
use crate::optional::Extract;

/// A caller with a valid access token in `Authorization: Bearer`. `C` is the application's own
/// claims. Cookies are ignored.
///
/// Where a caller may be absent, see [`Optional`](crate::Optional).
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
        let access = auth.clone().access_by(authorization(request)).await?;
        Ok(access.map(Self))
    }
}
