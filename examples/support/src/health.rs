//! Whether this node should get requests.

use bytes::Bytes;
use hallpass::{FeedState, RevocationCheck, SessionManager, WhenBehind};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

/// The answer to `GET /healthz`. It is 503 if this node answers 503 to every access token, because its
/// feed is behind and the policy is to refuse. A store that cannot be reached is not a reason: it is
/// the same for all nodes, and taking them out of service would not help.
pub fn health(manager: &SessionManager) -> Response<Bytes> {
    let feed = manager.feed_state();
    let refuses = manager.revocation_check() == RevocationCheck::Feed(WhenBehind::Refuse);
    let serves = feed != FeedState::Behind || !refuses;
    let status = if serves { "ok" } else { "unavailable" };
    let body = json!({ "status": status, "feed": feed.as_str() });
    let mut response = Response::new(Bytes::from(body.to_string()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if !serves {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}
