//! Whether this node should get requests.

use bytes::Bytes;
use hallpass::{FeedState, RevocationCheck, SessionManager, WhenBehind};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

/// The answer to `GET /healthz`. 503 where this node answers 503 to every access token: the
/// feed is behind, and the policy is to refuse. A store that is away is no reason, for it is
/// away for all nodes alike, and none of them gets better by being left alone.
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
