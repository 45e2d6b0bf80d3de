//! CORS, for pages of other origins.

use actix_cors::Cors;
use actix_web::http::Method;
use actix_web::http::header::{
    AUTHORIZATION, CONTENT_TYPE, DATE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE,
};
use hallpass::actix::Origin;

/// A proof of the client's key (RFC 9449), and the nonce for the next one.
const DPOP: HeaderName = HeaderName::from_static("dpop");
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// Lets pages of these origins call with credentials, and read why a request was refused.
pub(crate) fn cors(allowed: &[Origin]) -> Cors {
    let cors = allowed.iter().fold(Cors::default(), |cors, origin| {
        cors.allowed_origin(origin.as_str())
    });
    cors.supports_credentials()
        .allowed_methods([Method::GET, Method::POST, Method::DELETE])
        .allowed_headers([AUTHORIZATION, CONTENT_TYPE, DPOP])
        .expose_headers([DATE, WWW_AUTHENTICATE, RETRY_AFTER, DPOP_NONCE])
        .max_age(600)
}
