//! The extractor of visitors, and the layer that ends them with the request.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::extract::{FromRef, FromRequestParts, Request};
use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use pin_project_lite::pin_project;
use token_http::{Auth, RequestVisitors, VisitorScope, visitor_scope};
use tower_layer::Layer;
use tower_service::Service;

use crate::answer::Rejection;
use crate::head::{auth, head};
use crate::layer::{answered, private, with_cookie};

token_http::request! {
    /// A browser of which nothing is known but what the site stores for it: a basket, messages for the
    /// next page, what a return from another site has to match. It is there in each request, also without
    /// a cookie, and nobody is logged in with it. Needs [`visitors`] around the route; unsafe methods must
    /// pass the CSRF rule.
    ///
    /// Dereferences to [`token_http::Visitor`], which has the methods.
    ///
    /// ```
    /// # use adapter_axum::{Rejection, Visitor};
    /// async fn add(visitor: Visitor, article: String) -> Result<(), Rejection> {
    ///     // `get` and then `set` would lose against a second tab: one of the two would be answered 409.
    ///     let add = |basket: Option<Vec<String>>| {
    ///         let mut basket = basket.unwrap_or_default();
    ///         basket.push(article.clone());
    ///         basket
    ///     };
    ///     visitor.update("basket", add).await?;
    ///     Ok(visitor.flash("it is in your basket").await?)
    /// }
    /// ```
    Visitor
}

impl<A> std::ops::Deref for Visitor<A> {
    type Target = token_http::Visitor;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<S, A> FromRequestParts<S> for Visitor<A>
where
    S: Send + Sync,
    A: FromRef<S> + Into<Auth>,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let auth = auth::<A, S>(state);
        Ok(Self::new(auth.visitor(&head(parts))?))
    }
}

/// The layer around handlers that take a [`Visitor`]. At the end of the request it stores what was changed,
/// unless the answer is an error of the server, and sets the cookie if a session was opened. If a handler
/// has taken a visitor, and the answer has no `Cache-Control`, it gets `Cache-Control: private`.
///
/// ```
/// # use axum::Router;
/// # fn app(router: Router) -> Router {
/// router.layer(adapter_axum::visitors())
/// # }
/// ```
pub const fn visitors() -> VisitorsLayer {
    VisitorsLayer(())
}

/// The layer that [`visitors`] returns.
#[derive(Clone, Copy, Debug)]
pub struct VisitorsLayer(());

impl<S> Layer<S> for VisitorsLayer {
    type Service = Visitors<S>;

    fn layer(&self, inner: S) -> Visitors<S> {
        Visitors { inner }
    }
}

/// A service with [`VisitorsLayer`] around it.
#[derive(Clone, Debug)]
pub struct Visitors<S> {
    inner: S,
}

impl<S: Service<Request, Response = Response>> Service<Request> for Visitors<S>
where
    S::Future: Future<Output = Result<Response, S::Error>>,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Serving<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        Serving {
            state: State::Inside {
                future: visitor_scope(self.inner.call(request)),
            },
        }
    }
}

pin_project! {
    /// The future of [`Visitors`].
    pub struct Serving<F: Future> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = Project]
    enum State<F: Future> {
        Inside {
            #[pin]
            future: VisitorScope<F>,
        },
        Ending { future: Pin<Box<dyn Future<Output = Response> + Send>> },
    }
}

impl<F: Future<Output = Result<Response, E>>, E> Future for Serving<F> {
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                Project::Inside { mut future } => {
                    let response = ready!(future.as_mut().poll(context))?;
                    let taken = future.take_value();
                    let Some(visitors) = taken.filter(|visitors| !visitors.is_empty()) else {
                        return Poll::Ready(Ok(response));
                    };
                    let future = Box::pin(end(visitors, response));
                    state.set(State::Ending { future });
                }
                Project::Ending { future } => return future.as_mut().poll(context).map(Ok),
            }
        }
    }
}

/// Ends the visitors of a request that has some.
async fn end(visitors: RequestVisitors, response: Response) -> Response {
    match visitors.finish(&answered(&response)).await {
        Ok(fields) => private(fields.into_iter().fold(response, with_cookie)),
        Err(rejection) => Rejection::from(rejection).into_response(),
    }
}
