//! Changes of keys that an administrator asks for, by a request or by SIGHUP.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use bytes::Bytes;
use hallpass::KeyId;
use hallpass::keys::{KeysError, RunningKeeper};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};
use zeroize::Zeroizing;

/// A change of keys that an administrator asks for.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
#[expect(clippy::exhaustive_enums, reason = "the two changes that there are")]
pub enum KeyCommand {
    /// Lets the next access key sign now, ahead of schedule.
    Promote,
    /// Removes an access key that has leaked, at once.
    Remove {
        /// The id of the key.
        kid: KeyId,
    },
}

/// The key that an administrator sends as `Authorization: Bearer KEY`.
#[derive(Clone)]
pub struct AdminKey(Arc<Zeroizing<String>>);

impl FromStr for AdminKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // 128 bits in base64url, in characters that a header can carry.
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

/// Asks the keeper for a change of keys. Cheap to clone.
#[derive(Clone, Debug)]
pub struct KeyAdmin {
    key: Option<AdminKey>,
    keeper: RunningKeeper,
}

impl KeyAdmin {
    /// Changes keys for requests with this key, and reads them again at each SIGHUP.
    pub(crate) fn new(key: Option<AdminKey>, keeper: RunningKeeper) -> Self {
        tokio::spawn(reread_at_hangup(keeper.clone()));
        Self { key, keeper }
    }

    /// Whether the server has an administrator's key.
    pub const fn is_on(&self) -> bool {
        self.key.is_some()
    }

    /// Changes keys if the request has the administrator's key, and says which access key signs now.
    /// The answer is 404 if the server has no such key, 401 if the request has another, 400 if the
    /// body is not a command, and 409 with the reason if the change is not possible.
    pub async fn act(&self, authorization: Option<&[u8]>, body: &[u8]) -> Response<Bytes> {
        let Some(AdminKey(key)) = &self.key else {
            return answer(404, &json!({ "error": "not_found" }));
        };
        let presented = authorization.and_then(|value| value.strip_prefix(b"Bearer "));
        let presented = presented.unwrap_or_default();
        if verify_slices_are_equal(key.as_bytes(), presented).is_err() {
            let mut refused = answer(401, &json!({ "error": "unauthorized" }));
            let challenge = HeaderValue::from_static("Bearer realm=\"api\"");
            refused.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            return refused;
        }
        let Ok(command) = serde_json::from_slice(body) else {
            return answer(400, &json!({ "error": "invalid_request" }));
        };
        let done = match command {
            KeyCommand::Promote => self.keeper.promote().await,
            KeyCommand::Remove { kid } => self.keeper.remove(kid).await,
        };
        match done {
            Ok(kid) => answer(200, &json!({ "kid": kid })),
            // Another server will be there soon.
            Err(KeysError::Stopped) => {
                let mut away = answer(503, &json!({ "error": "temporarily_unavailable" }));
                let soon = HeaderValue::from_static("1");
                away.headers_mut().insert(RETRY_AFTER, soon);
                away
            }
            Err(error) => {
                let why = error.to_string();
                answer(
                    409,
                    &json!({ "error": "conflict", "error_description": why }),
                )
            }
        }
    }
}

async fn reread_at_hangup(keeper: RunningKeeper) {
    let mut hangup = match signal(SignalKind::hangup()) {
        Ok(hangup) => hangup,
        Err(error) => return warn!(%error, "SIGHUP cannot be waited for"),
    };
    while hangup.recv().await.is_some() {
        info!("SIGHUP: reading the keys again");
        if let Err(error) = keeper.reread().await {
            warn!(%error, "the keys cannot be used, and the old keys stay");
        }
    }
}

fn answer(status: u16, body: &Value) -> Response<Bytes> {
    let response = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "application/json")
        .header(CACHE_CONTROL, "no-store")
        .body(body.to_string().into());
    response.expect("every part is well-formed")
}
