//! The extractor of callers in any transport.

use std::ops::Deref;

use actix_web::HttpRequest;
use serde::de::DeserializeOwned;
use token_core::NoClaims;
use token_http::Auth;

use crate::answer::Rejection;
use crate::extract::{Extract, extractor};
use crate::head::authorization;
use crate::session::session;

/// A caller with an access token or, without one, a session cookie. `C` is the application's own
/// claims. Needs [`sessions`](crate::sessions) around the route; with a cookie, unsafe methods must
/// pass the CSRF rule.
///
/// Dereferences to [`token_http::Any`], which has the methods. If a caller may be absent, see
/// [`Optional`](crate::Optional).
#[derive(Debug)]
pub struct Any<C = NoClaims>(token_http::Any<C>);

impl<C> Deref for Any<C> {
    type Target = token_http::Any<C>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<C: DeserializeOwned + Send + Sync + 'static> Extract for Any<C> {
    async fn extract(request: &HttpRequest, auth: &Auth) -> Result<Option<Self>, Rejection> {
        let session = async || session(request, auth).await;
        let caller = auth.clone().any(authorization(request), session).await?;
        Ok(caller.map(Self))
    }
}

extractor!(Any);
