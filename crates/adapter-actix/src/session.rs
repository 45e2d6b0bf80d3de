//! The extractor of server sessions.

use actix_web::{HttpMessage as _, HttpRequest};
use serde::de::DeserializeOwned;
use token_http::Auth;

use crate::extract::{Extract, extractor};
use crate::head::OwnedHead;

token_http::caller! {
    /// A live session that the request's cookie has proven, with the application's private data. `C` is
    /// the application's own claims. Needs [`sessions`](crate::sessions) around the route; unsafe methods must pass the
    /// CSRF rule. It is `Send`.
    ///
    /// Dereferences to [`token_http::ServerSession`], which has the methods. If a session may be absent,
    /// see [`Optional`](crate::Optional).
    ///
    /// ```
    /// # use adapter_actix::{Rejection, ServerSession};
    /// async fn count(session: ServerSession) -> Result<String, Rejection> {
    ///     // `get` and then `set` would lose against a second tab: one of the two would be answered 409.
    ///     let add = |visits: Option<u32>| visits.unwrap_or(0) + 1;
    ///     let visits = session.update("visits", add).await?;
    ///     Ok(format!("visit {visits}"))
    /// }
    /// ```
    ServerSession
}

impl<C, A> Clone for ServerSession<C, A> {
    fn clone(&self) -> Self {
        Self::new(self.0.clone())
    }
}

const _: () = {
    const fn is_send<T: Send + Sync>() {}
    is_send::<ServerSession>();
};

impl<C, A> Extract for ServerSession<C, A>
where
    C: DeserializeOwned + Send + Sync + 'static,
    A: Clone + Into<Auth> + 'static,
{
    type Auth = A;

    async fn extract(
        request: &HttpRequest,
        auth: Auth,
    ) -> Result<Option<Self>, token_http::Rejection> {
        Ok(session(request, &auth).await?.map(Self::new))
    }
}

extractor!(ServerSession);

/// The session of a request, kept where [`sessions`](crate::sessions) finds it.
pub(crate) async fn session<C: DeserializeOwned>(
    request: &HttpRequest,
    auth: &Auth,
) -> Result<Option<token_http::ServerSession<C>>, token_http::Rejection> {
    let head = OwnedHead::of(request);
    let slot = request
        .extensions()
        .get::<token_http::SessionSlot>()
        .cloned();
    auth.server_session(&head.borrow(), slot.as_ref()).await
}
