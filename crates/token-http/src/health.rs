//! Whether this node should get requests.

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;
use token_session::{FeedState, RevocationCheck, WhenBehind};

use crate::answer;
use crate::auth::Auth;

impl Auth {
    /// The answer to a load balancer that asks whether this node should get requests, at `GET /healthz` for example.
    ///
    /// It is 503 if this node answers 503 to every access token, because its feed is behind and the policy is to
    /// refuse ([`WhenBehind::Refuse`]). A store that cannot be reached is not a reason: it is the same for all
    /// nodes, and taking them out of service would not help.
    pub fn health(&self) -> Response<Bytes> {
        let manager = self.manager();
        let feed = manager.feed_state();
        let refuses = manager.revocation_check() == RevocationCheck::Feed(WhenBehind::Refuse);
        let serves = feed != FeedState::Behind || !refuses;
        let (status, word) = if serves {
            (StatusCode::OK, "ok")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
        };
        let mut response = answer::json(status, &json!({ "status": word, "feed": feed.as_str() }));
        if !serves {
            let soon = HeaderValue::from_static("1");
            response.headers_mut().insert(RETRY_AFTER, soon);
        }
        response
    }
}
