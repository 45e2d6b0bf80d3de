//! The extractor [`Access`]. What it and `Any` ask is `Auth` in `token-http`.

use actix_web::HttpRequest;
use serde::de::DeserializeOwned;
use token_http::Auth;

use crate::extract::{Extract, extractor};
use crate::head::{authorization, shown};

token_http::caller! {
    /// A caller with a valid access token in `Authorization: Bearer`, or in
    /// `Authorization: DPoP` with a proof of its key. `C` is the application's own
    /// claims. Cookies are ignored.
    ///
    /// Dereferences to [`token_http::Access`], which has the methods. If a caller may be absent, see
    /// [`Optional`](crate::Optional).
    Access
}

impl<C, A> Extract for Access<C, A>
where
    C: DeserializeOwned + Send + Sync + 'static,
    A: Clone + Into<Auth> + 'static,
{
    type Auth = A;

    async fn extract(
        request: &HttpRequest,
        auth: Auth,
    ) -> Result<Option<Self>, token_http::Rejection> {
        let access = auth
            .access(authorization(request), || shown(request))
            .await?;
        Ok(access.map(Self::new))
    }
}

extractor!(Access);
