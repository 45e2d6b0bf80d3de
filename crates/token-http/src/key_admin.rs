//! Changes of keys that an administrator asks for by a request.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use bytes::Bytes;
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use token_core::{KeyId, PRODUCT};
use token_keys::{KeysError, RunningKeeper};
use tracing::debug;
use zeroize::Zeroizing;

use crate::answer;

/// What the body asks for.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
enum Command {
    Promote,
    PromoteRefresh,
    Remove { kid: KeyId },
}

/// The key that an administrator sends as `Authorization: Bearer KEY`, read from a setting: at least 22 visible
/// characters, which hold 128 random bits in base64url.
#[derive(Clone)]
pub struct AdminKey(Arc<Zeroizing<String>>);

impl FromStr for AdminKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.len() < 22 || !fits {
            return Err("use at least 128 random bits, as base64url");
        }
        Ok(Self(Arc::new(text.to_owned().into())))
    }
}

impl fmt::Debug for AdminKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminKey([redacted])")
    }
}

/// Changes the keys of a server for an administrator, by a route of the application: a key that has leaked is
/// removed at once, or the next one signs ahead of schedule. Cheap to clone.
///
/// ```
/// use token_http::{Background, KeyAdmin};
///
/// # fn admin(background: &Background) -> Result<KeyAdmin, Box<dyn std::error::Error>> {
/// let admin = KeyAdmin::new(std::env::var("ADMIN_KEY")?.parse()?, background.keys().clone());
/// # Ok(admin)
/// # }
/// # async fn handle(admin: KeyAdmin, authorization: Option<&[u8]>, body: &[u8]) {
/// // in the handler of `POST /admin/keys`, say
/// let response = admin.answer(authorization, body).await;
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct KeyAdmin {
    key: AdminKey,
    keeper: RunningKeeper,
}

impl KeyAdmin {
    /// Obeys requests with this key.
    pub const fn new(key: AdminKey, keeper: RunningKeeper) -> Self {
        Self { key, keeper }
    }

    /// The answer to a request with this field `Authorization` and this body: `{"do":"promote"}` for access keys,
    /// `{"do":"promote_refresh"}`, or `{"do":"remove","kid":"…"}` for a key of either kind.
    ///
    /// It is 200 with the id of the key that signs now (of the access keys, but for `promote_refresh`), 401 if the request has another key than the
    /// administrator's, 400 if the body is not a command, 409 with the reason if the change is not possible, and 503 if
    /// the server is about to end.
    pub async fn answer(&self, authorization: Option<&[u8]>, body: &[u8]) -> Response<Bytes> {
        let presented = authorization.and_then(|value| value.strip_prefix(b"Bearer "));
        let presented = presented.unwrap_or_default();
        if verify_slices_are_equal(self.key.0.as_bytes(), presented).is_err() {
            debug!(target: PRODUCT, "keys are not changed: the request has not the administrator's key");
            let mut refused = respond(401, &json!({ "error": "unauthorized" }));
            let challenge = HeaderValue::from_static("Bearer realm=\"api\"");
            refused.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            return refused;
        }
        let Ok(command) = serde_json::from_slice(body) else {
            // An error of serde_json may repeat what it read.
            debug!(target: PRODUCT, "keys are not changed: the body is not a command");
            return respond(400, &json!({ "error": "invalid_request" }));
        };
        let done = match command {
            Command::Promote => self.keeper.promote().await,
            Command::PromoteRefresh => self.keeper.promote_refresh().await,
            Command::Remove { kid } => self.keeper.remove(kid).await,
        };
        match done {
            Ok(kid) => respond(200, &json!({ "kid": kid })),
            // Another server will be there soon.
            Err(KeysError::Stopped) => {
                let mut away = respond(503, &json!({ "error": "temporarily_unavailable" }));
                let soon = HeaderValue::from_static("1");
                away.headers_mut().insert(RETRY_AFTER, soon);
                away
            }
            Err(error) => {
                debug!(target: PRODUCT, %error, "keys are not changed");
                let why = error.to_string();
                let body = json!({ "error": "conflict", "error_description": why });
                respond(409, &body)
            }
        }
    }
}

fn respond(status: u16, body: &Value) -> Response<Bytes> {
    let status = StatusCode::from_u16(status).expect("a status");
    answer::json(status, body)
}
