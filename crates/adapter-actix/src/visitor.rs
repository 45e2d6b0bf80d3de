//! The extractor of visitors, and the middleware that ends them with the request.

use std::future::{Ready, ready};
use std::pin::pin;

use actix_web::body::MessageBody;
use actix_web::dev::{self, ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderValue, SET_COOKIE};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpRequest, ResponseError as _};
use token_http::{Auth, visitor_scope};

use crate::answer::Rejection;
use crate::head::OwnedHead;
use crate::register::auth;
use crate::session::{private, with_cookie};

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
    ///     let mut basket: Vec<String> = visitor.get("basket").await?.unwrap_or_default();
    ///     basket.push(article);
    ///     visitor.set("basket", &basket).await?;
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
/// # use actix_web::{App, middleware};
/// App::new().wrap(middleware::from_fn(adapter_actix::visitors));
/// ```
///
/// # Errors
/// Those of the services inside.
pub async fn visitors(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut serving = pin!(visitor_scope(next.call(request)));
    let mut response = serving.as_mut().await?;
    let taken = serving.take_value();
    let Some(visitors) = taken.filter(|visitors| !visitors.is_empty()) else {
        return Ok(response.map_into_left_body());
    };
    let status = http::StatusCode::from_u16(response.status().as_u16());
    let status = status.expect("both have the same range");
    let set = response.headers().get_all(SET_COOKIE);
    let set: Vec<HeaderValue> = set.cloned().collect();
    let sets =
        |ours: &[u8]| token_http::sets_same_cookie(set.iter().map(HeaderValue::as_bytes), ours);
    match visitors.finish(status, sets).await {
        Ok(fields) => {
            for field in fields {
                with_cookie(&mut response, field.as_bytes());
            }
            private(&mut response);
            Ok(response.map_into_left_body())
        }
        Err(rejection) => {
            let rejection = Rejection::from(rejection).error_response();
            Ok(response.into_response(rejection).map_into_right_body())
        }
    }
}
