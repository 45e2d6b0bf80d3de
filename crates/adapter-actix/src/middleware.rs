//! The middleware that ends server sessions with the request.
//!
//! It is written as a service and not with `actix_web::middleware::from_fn`, which allocates for each
//! request: most requests carry a token or nothing, so that there is no session to end.

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll, ready as poll_ready};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::header::{CACHE_CONTROL, COOKIE, HeaderValue, SET_COOKIE};
use actix_web::{Error, HttpMessage as _, ResponseError as _};
use pin_project_lite::pin_project;
use token_http::SessionSlot;

use crate::answer::Rejection;

/// The middleware around handlers that take [`ServerSession`](crate::ServerSession) or
/// [`Any`](crate::Any). At the end of the request it does this:
///
/// - It writes the data that was changed, unless the answer is an error of the server. If another
///   request changed the same member first, the answer is 409 `conflict` instead of the handler's.
/// - It sends the cookie again if the session is remembered and its deadline moved.
/// - If a session cookie was looked at, and the answer has no `Cache-Control`, it gets
///   `Cache-Control: private`, so that no shared cache gives one user's page to another. An answer with
///   the cookie gets it in any case.
///
/// ```
/// # use actix_web::App;
/// App::new().wrap(adapter_actix::sessions());
/// ```
pub const fn sessions() -> SessionsMiddleware {
    SessionsMiddleware(())
}

/// The middleware that [`sessions`] returns.
#[derive(Clone, Copy, Debug)]
pub struct SessionsMiddleware(());

impl<S, B> Transform<S, ServiceRequest> for SessionsMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = Sessions<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(Sessions { inner }))
    }
}

/// A service with [`SessionsMiddleware`] around it.
#[derive(Clone, Debug)]
pub struct Sessions<S> {
    inner: S,
}

impl<S, B> Service<ServiceRequest> for Sessions<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Answering<S::Future, B>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let mut slot = None;
        // Without a cookie there is no session to end. If there is a slot, a middleware further out
        // will end it.
        let cookie = request.headers().contains_key(COOKIE);
        if cookie && request.extensions().get::<SessionSlot>().is_none() {
            let own = SessionSlot::default();
            request.extensions_mut().insert(own.clone());
            slot = Some(own);
        }
        Answering {
            state: State::Inside {
                future: self.inner.call(request),
                slot,
            },
        }
    }
}

pin_project! {
    /// The future of [`Sessions`].
    pub struct Answering<F, B> {
        #[pin]
        state: State<F, B>,
    }
}

pin_project! {
    #[project = Project]
    enum State<F, B> {
        Inside {
            #[pin]
            future: F,
            slot: Option<SessionSlot>,
        },
        Ending { future: Ending<B> },
    }
}

/// The last work of a request, which gives its answer.
pub(crate) type Ending<B> = Pin<Box<dyn Future<Output = ServiceResponse<EitherBody<B>>>>>;

impl<F, B> Future for Answering<F, B>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
    B: MessageBody + 'static,
{
    type Output = Result<ServiceResponse<EitherBody<B>>, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                Project::Inside { future, slot } => {
                    let response = poll_ready!(future.poll(context))?;
                    let Some(slot) = slot.take().filter(SessionSlot::is_asked) else {
                        return Poll::Ready(Ok(response.map_into_left_body()));
                    };
                    let future = Box::pin(end(slot, response));
                    state.set(State::Ending { future });
                }
                Project::Ending { future } => return future.as_mut().poll(context).map(Ok),
            }
        }
    }
}

/// Ends the session of a request that has one.
async fn end<B: MessageBody>(
    slot: SessionSlot,
    response: ServiceResponse<B>,
) -> ServiceResponse<EitherBody<B>> {
    let ended = slot.finish(status(&response)).await;
    answered(response, ended)
}

pub(crate) fn status<B>(response: &ServiceResponse<B>) -> http::StatusCode {
    let status = http::StatusCode::from_u16(response.status().as_u16());
    status.expect("both have the same range")
}

/// The answer with these `Set-Cookie` fields, or the one that takes its place.
pub(crate) fn answered<B: MessageBody>(
    mut response: ServiceResponse<B>,
    ended: Result<Vec<http::HeaderValue>, token_http::Rejection>,
) -> ServiceResponse<EitherBody<B>> {
    match ended {
        Ok(fields) => {
            for field in fields {
                with_cookie(&mut response, field.as_bytes());
            }
            private(&mut response);
            response.map_into_left_body()
        }
        Err(rejection) => {
            let rejection = Rejection::from(rejection).error_response();
            response.into_response(rejection).map_into_right_body()
        }
    }
}

/// Keeps the answer out of shared caches, if the handler says nothing of caching: it may be
/// about the user.
fn private<B>(response: &mut ServiceResponse<B>) {
    if !response.headers().contains_key(CACHE_CONTROL) {
        let private = HeaderValue::from_static("private");
        response.headers_mut().insert(CACHE_CONTROL, private);
    }
}

fn with_cookie<B>(response: &mut ServiceResponse<B>, field: &[u8]) {
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
