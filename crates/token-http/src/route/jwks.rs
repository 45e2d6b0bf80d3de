//! `GET /.well-known/jwks.json`.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderValue, Response, StatusCode};

use crate::answer;
use crate::auth::Auth;
use crate::head::Head;

/// The keys in force, whenever they were replaced.
pub(super) fn jwks(auth: &Auth, head: &Head<'_>) -> Response<Bytes> {
    let jwks = auth.manager().jwks();
    let tag = URL_SAFE_NO_PAD.encode(digest(&SHA256, jwks.as_bytes()));
    let etag = HeaderValue::try_from(format!("\"{tag}\"")).expect("base64url is visible ASCII");
    let max_age = auth.config().jwks_max_age().as_secs();
    let content_type = "application/jwk-set+json";
    let mut response = if has(head, &etag) {
        let mut response = answer::public(content_type, Bytes::new(), max_age);
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().remove(CONTENT_TYPE);
        response
    } else {
        answer::public(content_type, jwks.as_bytes().to_vec(), max_age)
    };
    response.headers_mut().insert(ETAG, etag);
    response
}

/// Whether the client has this version already
/// ([RFC 9110 section 13.1.2](https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2)).
fn has(head: &Head<'_>, etag: &HeaderValue) -> bool {
    let fields = head.headers.get_all(IF_NONE_MATCH).iter();
    let mut tags = fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(','))
        .map(str::trim);
    // > A recipient MUST use the weak comparison function when comparing entity tags for
    // > If-None-Match [...], since weak entity tags can be used for cache validation even if there
    // > have been changes to the representation data.
    tags.any(|tag| tag == "*" || *etag == *tag.strip_prefix("W/").unwrap_or(tag))
}
