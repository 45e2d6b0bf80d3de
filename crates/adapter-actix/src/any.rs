//! The extractor of callers in any transport.

use actix_web::HttpRequest;
use serde::de::DeserializeOwned;
use token_http::Auth;

use crate::extract::{Extract, extractor};
use crate::head::{authorization, shown};
use crate::session::session;

token_http::caller! {
    /// A caller with an access token or, without one, a session cookie. `C` is the application's own
    /// claims. Needs [`sessions`](crate::sessions) around the route; with a cookie, unsafe methods must
    /// pass the CSRF rule.
    ///
    /// Dereferences to [`token_http::Any`], which has the methods. If a caller may be absent, see
    /// [`Optional`](crate::Optional).
    Any
}

impl<C, A> Extract for Any<C, A>
where
    C: DeserializeOwned + Send + Sync + 'static,
    A: Clone + Into<Auth> + 'static,
{
    type Auth = A;

    async fn extract(
        request: &HttpRequest,
        auth: Auth,
    ) -> Result<Option<Self>, token_http::Rejection> {
        let own = auth.clone();
        let session = async || session(request, &own).await;
        let caller = auth
            .any(authorization(request), || shown(request), session)
            .await?;
        Ok(caller.map(Self::new))
    }
}

extractor!(Any);
