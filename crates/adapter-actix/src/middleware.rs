//! The middleware that ends server sessions with the request.
//!
//! It is written as a service and not with `actix_web::middleware::from_fn`, which allocates for each
//! request: most requests carry a token or nothing, so that there is no session to end.

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll, ready as poll_ready};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::error::InternalError;
use actix_web::http::header::{CACHE_CONTROL, COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use actix_web::{Error, HttpMessage as _, HttpResponse, ResponseError as _};
use pin_project_lite::pin_project;
use token_http::{Answered, Effect, SessionSlot};

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
pub(crate) type Ending<B> =
    Pin<Box<dyn Future<Output = Result<ServiceResponse<EitherBody<B>>, Error>>>>;

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
                    let response = poll_ready!(future.poll(context));
                    let Some(slot) = slot.take().filter(SessionSlot::is_asked) else {
                        return Poll::Ready(response.map(ServiceResponse::map_into_left_body));
                    };
                    if slot.is_settled() {
                        return Poll::Ready(Inner::of(response).ended(Ok(Vec::new())));
                    }
                    let future = Box::pin(end(slot, response));
                    state.set(State::Ending { future });
                }
                Project::Ending { future } => return future.as_mut().poll(context),
            }
        }
    }
}

/// Ends the session of a request that has one.
async fn end<B: MessageBody>(
    slot: SessionSlot,
    response: Result<ServiceResponse<B>, Error>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let response = Inner::of(response);
    let ended = slot.finish(&response.answered()).await;
    response.ended(ended)
}

/// The answer of what is inside. An error of a middleware there, such as a `from_fn` with an extractor that
/// refuses, is an answer as well.
pub(crate) enum Inner<B> {
    Answer(ServiceResponse<B>),
    Error(Error, HttpResponse),
}

impl<B: MessageBody> Inner<B> {
    pub(crate) fn of(response: Result<ServiceResponse<B>, Error>) -> Self {
        match response {
            Ok(response) => Self::Answer(response),
            Err(error) => {
                let response = error.error_response();
                Self::Error(error, response)
            }
        }
    }

    /// The same in the types of `http` 1.
    pub(crate) fn answered(&self) -> Answered {
        let (status, headers, effect) = match self {
            Self::Answer(response) => {
                let effect = response.response().extensions().contains::<Effect>();
                (response.status(), response.headers(), effect)
            }
            Self::Error(_, response) => (response.status(), response.headers(), false),
        };
        let status = http::StatusCode::from_u16(status.as_u16());
        let fields = headers.get_all(SET_COOKIE).map(HeaderValue::as_bytes);
        let fields = fields.filter_map(|field| http::HeaderValue::from_bytes(field).ok());
        let status = status.expect("both have the same range");
        Answered::with_cookies(status, fields.collect(), effect)
    }

    /// It with these `Set-Cookie` fields, or what takes its place.
    pub(crate) fn ended(
        self,
        ended: Result<Vec<http::HeaderValue>, token_http::Rejection>,
    ) -> Result<ServiceResponse<EitherBody<B>>, Error> {
        match (self, ended.map_err(Rejection::from)) {
            (Self::Answer(mut response), Ok(fields)) => {
                add(response.headers_mut(), fields);
                Ok(response.map_into_left_body())
            }
            (Self::Answer(response), Err(rejection)) => {
                let rejection = rejection.error_response();
                Ok(response.into_response(rejection).map_into_right_body())
            }
            (Self::Error(error, mut response), Ok(fields)) => {
                add(response.headers_mut(), fields);
                Err(InternalError::from_response(error, response).into())
            }
            (Self::Error(..), Err(rejection)) => Err(rejection.into()),
        }
    }
}

/// Adds the fields, and keeps the answer out of shared caches if the handler says nothing of caching: it
/// may be about the user.
fn add(headers: &mut HeaderMap, fields: Vec<http::HeaderValue>) {
    for field in fields {
        with_cookie(headers, field.as_bytes());
    }
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private"));
    }
}

fn with_cookie(headers: &mut HeaderMap, field: &[u8]) {
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
