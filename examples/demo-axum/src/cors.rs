//! CORS, for pages of other origins.

use std::time::Duration;

use axum::http::Method;
use axum::http::header::{
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONTENT_TYPE,
    ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE,
};
use hallpass::axum::Origin;
use tower_http::cors::CorsLayer;

/// Lets pages of these origins call with credentials, and read why a request was refused.
pub(crate) fn cors(allowed: &[Origin]) -> CorsLayer {
    let origins = allowed.iter().map(|origin| origin.as_str().parse());
    let origins: Result<Vec<_>, _> = origins.collect();
    CorsLayer::new()
        .allow_origin(origins.expect("an origin is visible ASCII"))
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE])
        .expose_headers([WWW_AUTHENTICATE, RETRY_AFTER])
        .vary([
            ORIGIN,
            ACCESS_CONTROL_REQUEST_METHOD,
            ACCESS_CONTROL_REQUEST_HEADERS,
        ])
        .max_age(Duration::from_mins(10))
}
