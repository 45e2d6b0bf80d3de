//! The extractor of server sessions, and the middleware that ends them with the request.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CACHE_CONTROL, COOKIE, HeaderValue, SET_COOKIE};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest, ResponseError as _};
use serde::de::DeserializeOwned;
use token_http::{Auth, SessionSlot};

use crate::answer::Rejection;
use crate::extract::{Extract, extractor};
use crate::head::OwnedHead;

token_http::caller! {
    /// A live session that the request's cookie has proven, with the application's private data. `C` is
    /// the application's own claims. Needs [`sessions`] around the route; unsafe methods must pass the
    /// CSRF rule. It is `Send`.
    ///
    /// Dereferences to [`token_http::ServerSession`], which has the methods. If a session may be absent,
    /// see [`Optional`](crate::Optional).
    ///
    /// ```
    /// # use adapter_actix::{Rejection, ServerSession};
    /// async fn count(session: ServerSession) -> Result<String, Rejection> {
    ///     let visits = session.get::<u32>("visits").await?.unwrap_or(0) + 1;
    ///     session.set("visits", &visits).await?;
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

/// The middleware around handlers that take [`ServerSession`] or [`Any`](crate::Any). At the end of the request it does this:
///
/// - It writes the data that was changed, unless the answer is an error of the server. If another
///   request changed the same member first, the answer is 409 `conflict` instead of the handler's.
/// - It sends the cookie again if the session is remembered and its deadline moved.
/// - If a session cookie was looked at, and the answer has no `Cache-Control`, it gets
///   `Cache-Control: private`, so that no shared cache gives one user's page to another. An answer with
///   the cookie gets it in any case.
///
/// ```
/// # use actix_web::{App, middleware};
/// App::new().wrap(middleware::from_fn(adapter_actix::sessions));
/// ```
///
/// # Errors
/// Those of the services inside.
pub async fn sessions(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let cookie = request.headers().contains_key(COOKIE);
    if !cookie || request.extensions().get::<SessionSlot>().is_some() {
        // Without a cookie there is no session to write. If there is a slot, a middleware further out
        // will do it.
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let slot = SessionSlot::default();
    request.extensions_mut().insert(slot.clone());
    let mut response = next.call(request).await?;
    if !slot.is_asked() {
        return Ok(response.map_into_left_body());
    }
    let status = http::StatusCode::from_u16(response.status().as_u16());
    match slot.finish(status.expect("both have the same range")).await {
        Ok(fields) => {
            for field in fields {
                with_cookie(&mut response, field.as_bytes());
            }
            private(&mut response);
        }
        Err(rejection) => {
            let rejection = Rejection::from(rejection).error_response();
            return Ok(response.into_response(rejection).map_into_right_body());
        }
    }
    Ok(response.map_into_left_body())
}

/// Keeps the answer out of shared caches, if the handler says nothing of caching: it may be
/// about the user.
pub(crate) fn private<B>(response: &mut ServiceResponse<B>) {
    if !response.headers().contains_key(CACHE_CONTROL) {
        let private = HeaderValue::from_static("private");
        response.headers_mut().insert(CACHE_CONTROL, private);
    }
}

pub(crate) fn with_cookie<B>(response: &mut ServiceResponse<B>, field: &[u8]) {
    let headers = response.headers_mut();
    let fields = headers.get_all(SET_COOKIE).map(HeaderValue::as_bytes);
    if !token_http::sets_same_cookie(fields, field)
        && let Ok(field) = HeaderValue::from_bytes(field)
    {
        headers.append(SET_COOKIE, field);
        let caching = headers.get_all(CACHE_CONTROL);
        if !token_http::is_private(caching.map(HeaderValue::as_bytes)) {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("private"));
        }
    }
}

/// The session of a request, kept where [`sessions`] finds it.
pub(crate) async fn session<C: DeserializeOwned>(
    request: &HttpRequest,
    auth: &Auth,
) -> Result<Option<token_http::ServerSession<C>>, token_http::Rejection> {
    let head = OwnedHead::of(request);
    let slot = request.extensions().get::<SessionSlot>().cloned();
    auth.server_session(&head.borrow(), slot.as_ref()).await
}
