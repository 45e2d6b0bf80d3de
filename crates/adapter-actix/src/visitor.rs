//! The extractor of visitors, and the middleware that ends them with the request.

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll, ready as poll_ready};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{self, Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::{Error, FromRequest, HttpRequest};
use pin_project_lite::pin_project;
use token_http::{Auth, RequestVisitors, VisitorScope, visitor_scope};

use crate::answer::Rejection;
use crate::app_data::auth;
use crate::head::OwnedHead;
use crate::middleware::{Ending, Inner};

token_http::request! {
    /// A browser of which nothing is known but what the site stores for it: a basket, messages for the
    /// next page, what a return from another site has to match. It is there in each request, also without
    /// a cookie, and nobody is logged in with it. Needs [`visitors`] around the route; unsafe methods must
    /// pass the CSRF rule.
    ///
    /// Dereferences to [`token_http::Visitor`], which has the methods.
    ///
    /// ```
    /// # use adapter_actix::{Rejection, Visitor};
    /// async fn add(visitor: Visitor, article: String) -> Result<&'static str, Rejection> {
    ///     // `get` and then `set` would lose against a second tab: one of the two would be answered 409.
    ///     let add = |basket: Option<Vec<String>>| {
    ///         let mut basket = basket.unwrap_or_default();
    ///         basket.push(article.clone());
    ///         basket
    ///     };
    ///     visitor.update("basket", add).await?;
    ///     visitor.flash("it is in your basket").await?;
    ///     Ok("added")
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

impl<A: Clone + Into<Auth> + 'static> FromRequest for Visitor<A> {
    type Error = Rejection;
    type Future = Ready<Result<Self, Rejection>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        let read = || {
            let (auth, head) = (auth::<A>(request)?, OwnedHead::of(request));
            Ok(Self::new(auth.visitor(&head.borrow())?))
        };
        ready(read())
    }
}

/// The middleware around handlers that take a [`Visitor`]. At the end of the request it stores what was
/// changed, unless the answer is an error of the server, and sets the cookie if a session was opened. If a
/// handler has taken a visitor, and the answer has no `Cache-Control`, it gets `Cache-Control: private`.
///
/// ```
/// # use actix_web::App;
/// App::new().wrap(adapter_actix::visitors());
/// ```
pub const fn visitors() -> VisitorsMiddleware {
    VisitorsMiddleware(())
}

/// The middleware that [`visitors`] returns.
#[derive(Clone, Copy, Debug)]
pub struct VisitorsMiddleware(());

impl<S, B> Transform<S, ServiceRequest> for VisitorsMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = Visitors<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(Visitors { inner }))
    }
}

/// A service with [`VisitorsMiddleware`] around it.
#[derive(Clone, Debug)]
pub struct Visitors<S> {
    inner: S,
}

impl<S, B> Service<ServiceRequest> for Visitors<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Serving<S::Future, B>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        Serving {
            state: State::Inside {
                future: visitor_scope(self.inner.call(request)),
            },
        }
    }
}

pin_project! {
    /// The future of [`Visitors`].
    pub struct Serving<F: Future, B> {
        #[pin]
        state: State<F, B>,
    }
}

pin_project! {
    #[project = Project]
    enum State<F: Future, B> {
        Inside {
            #[pin]
            future: VisitorScope<F>,
        },
        Ending { future: Ending<B> },
    }
}

impl<F, B> Future for Serving<F, B>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
    B: MessageBody + 'static,
{
    type Output = Result<ServiceResponse<EitherBody<B>>, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                Project::Inside { mut future } => {
                    let response = poll_ready!(future.as_mut().poll(context));
                    let taken = future.take_value();
                    let Some(visitors) = taken.filter(|visitors| !visitors.is_empty()) else {
                        return Poll::Ready(response.map(ServiceResponse::map_into_left_body));
                    };
                    let future = Box::pin(end(visitors, response));
                    state.set(State::Ending { future });
                }
                Project::Ending { future } => return future.as_mut().poll(context),
            }
        }
    }
}

/// Ends the visitors of a request that has some.
async fn end<B: MessageBody>(
    visitors: RequestVisitors,
    response: Result<ServiceResponse<B>, Error>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let response = Inner::of(response);
    let ended = visitors.finish(&response.answered()).await;
    response.ended(ended)
}
