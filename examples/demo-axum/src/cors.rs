//! CORS, for pages of other origins.

use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::Method;
use axum::http::header::{
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONTENT_TYPE,
    DATE, HeaderName, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::middleware;
use hallpass::axum::Origin;
use tower_http::cors::CorsLayer;

/// A proof of the client's key (RFC 9449), and the nonce for the next one.
const DPOP: HeaderName = HeaderName::from_static("dpop");
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// Lets pages of these origins call the router with credentials, and read why a request was refused.
///
/// tower-http takes every `OPTIONS` for a preflight and answers 200. One without `Origin` is none, so
/// it passes the layer as another method and goes on to the route.
pub(crate) fn with_cors(router: Router, allowed: &[Origin]) -> Router {
    router
        .layer(middleware::map_request(as_options))
        .layer(cors(allowed))
        .layer(middleware::map_request(as_get))
}

/// An `OPTIONS` that is no preflight.
#[derive(Clone, Copy)]
struct PlainOptions;

async fn as_get(mut request: Request) -> Request {
    if request.method() == Method::OPTIONS && !request.headers().contains_key(ORIGIN) {
        request.extensions_mut().insert(PlainOptions);
        *request.method_mut() = Method::GET;
    }
    request
}

async fn as_options(mut request: Request) -> Request {
    if request.extensions_mut().remove::<PlainOptions>().is_some() {
        *request.method_mut() = Method::OPTIONS;
    }
    request
}

fn cors(allowed: &[Origin]) -> CorsLayer {
    let origins = allowed.iter().map(|origin| origin.as_str().parse());
    let origins: Result<Vec<_>, _> = origins.collect();
    CorsLayer::new()
        .allow_origin(origins.expect("an origin is visible ASCII"))
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE, DPOP])
        .expose_headers([DATE, WWW_AUTHENTICATE, RETRY_AFTER, DPOP_NONCE])
        .vary([
            ORIGIN,
            ACCESS_CONTROL_REQUEST_METHOD,
            ACCESS_CONTROL_REQUEST_HEADERS,
        ])
        .max_age(Duration::from_mins(10))
}
