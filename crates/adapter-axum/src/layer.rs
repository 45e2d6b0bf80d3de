//! The layer that ends server sessions with the request.
//!
//! It is written as a service and not with `axum::middleware::from_fn`, which allocates four times for
//! each request: most requests carry a token or nothing, so that there is no session to end.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, COOKIE, SET_COOKIE};
use pin_project_lite::pin_project;
use token_http::{Answered, Effect, SessionSlot};
use tower_layer::Layer;
use tower_service::Service;

use crate::answer::Rejection;

/// The layer around handlers that take [`ServerSession`](crate::ServerSession) or
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
/// # use axum::Router;
/// # fn app(router: Router) -> Router {
/// router.layer(adapter_axum::sessions())
/// # }
/// ```
pub const fn sessions() -> SessionsLayer {
    SessionsLayer(())
}

/// The layer that [`sessions`] returns.
#[derive(Clone, Copy, Debug)]
pub struct SessionsLayer(());

impl<S> Layer<S> for SessionsLayer {
    type Service = Sessions<S>;

    fn layer(&self, inner: S) -> Sessions<S> {
        Sessions { inner }
    }
}

/// A service with [`SessionsLayer`] around it.
#[derive(Clone, Debug)]
pub struct Sessions<S> {
    inner: S,
}

impl<S: Service<Request, Response = Response>> Service<Request> for Sessions<S> {
    type Response = Response;
    type Error = S::Error;
    type Future = Answering<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let mut slot = None;
        // Without a cookie there is no session to end. If there is a slot, a layer further out will
        // end it.
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
    pub struct Answering<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = Project]
    enum State<F> {
        Inside {
            #[pin]
            future: F,
            slot: Option<SessionSlot>,
        },
        Ending { future: Pin<Box<dyn Future<Output = Response> + Send>> },
    }
}

impl<F: Future<Output = Result<Response, E>>, E> Future for Answering<F> {
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                Project::Inside { future, slot } => {
                    let response = ready!(future.poll(context))?;
                    let Some(slot) = slot.take().filter(SessionSlot::is_asked) else {
                        return Poll::Ready(Ok(response));
                    };
                    if slot.is_settled() {
                        return Poll::Ready(Ok(private(response)));
                    }
                    let future = Box::pin(end(slot, response));
                    state.set(State::Ending { future });
                }
                Project::Ending { future } => return future.as_mut().poll(context).map(Ok),
            }
        }
    }
}

/// Ends the session of a request that has one.
async fn end(slot: SessionSlot, response: Response) -> Response {
    match slot.finish(&answered(&response)).await {
        Ok(fields) => private(fields.into_iter().fold(response, with_cookie)),
        Err(rejection) => Rejection::from(rejection).into_response(),
    }
}

/// What a handler answered.
pub(crate) fn answered(response: &Response) -> Answered {
    let effect = response.extensions().get::<Effect>().is_some();
    Answered::new(response.status(), response.headers(), effect)
}

/// Keeps the answer out of shared caches, if the handler says nothing of caching: it may be
/// about the user.
pub(crate) fn private(mut response: Response) -> Response {
    let caching = response.headers_mut().entry(CACHE_CONTROL);
    caching.or_insert(HeaderValue::from_static("private"));
    response
}

pub(crate) fn with_cookie(mut response: Response, field: HeaderValue) -> Response {
    let fields = response.headers().get_all(SET_COOKIE).iter();
    if token_http::sets_same_cookie(fields.map(HeaderValue::as_bytes), field.as_bytes()) {
        return response;
    }
    let headers = response.headers_mut();
    headers.append(SET_COOKIE, field);
    let caching = headers.get_all(CACHE_CONTROL).iter();
    if !token_http::is_private(caching.map(HeaderValue::as_bytes)) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private"));
    }
    response
}
