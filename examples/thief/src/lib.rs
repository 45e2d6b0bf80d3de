//! A thief for the page: somebody who has a copy of a browser's cookies, and not its key.
//!
//! A page cannot play the thief itself, as no script can read the cookies. So the server copies them from a request,
//! and shows them again in requests of its own, over new connections to its own port. An application must not have such
//! a route. The demo has it for the demo users alone, and only if no other machine can reach it.

mod client;
mod openapi;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use hallpass::{Auth, BindingMode, SessionId, UnixTime};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{Method, Response};
use serde::Deserialize;
use serde_json::{Value, json};

pub use client::Client;
pub use openapi::describe;

use crate::client::{Answered, Cookies};

/// How the name of each bound cookie begins.
const BOUND: &str = "__Host-bound-";

/// Copies of so many sessions are kept. If there are more, all are forgotten.
const MOST: usize = 100;

/// What the page asks the thief to do.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
enum Command {
    /// Copies the cookies of this request.
    Copy,
    /// Uses the copy, and then asks for a new bound cookie.
    Try,
}

/// Tells the page how its session is bound, and plays somebody who has copied its cookies. Cheap to clone.
#[derive(Clone)]
pub struct Thief(Option<Arc<Shared>>);

struct Shared {
    client: Client,
    copies: Mutex<HashMap<SessionId, Cookies>>,
}

impl Thief {
    /// A thief who reaches the server with this client.
    pub fn new(client: Client) -> Self {
        Self(Some(Arc::new(Shared {
            client,
            copies: Mutex::default(),
        })))
    }

    /// No thief: its routes are not there.
    pub const fn off() -> Self {
        Self(None)
    }

    /// Whether there is one.
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// The answer to `GET /demo/device`: what the session is bound to, and for how many seconds more the bound cookie
    /// of this request is good. `cookies` are the values of the field `Cookie`.
    pub async fn look<'a>(
        &self,
        auth: &Auth,
        session: SessionId,
        cookies: impl Iterator<Item = &'a [u8]>,
    ) -> Response<Bytes> {
        let level = match auth.manager().session(session).await {
            Ok(found) => found.and_then(|session| session.binding.level()),
            Err(_) => return answer(503, &json!({ "error": "temporarily_unavailable" })),
        };
        let policy = auth.manager().binding();
        let body = json!({
            "binding": level,
            "good_for": Cookies::read(cookies).good_for(auth, session),
            "lifetime": policy.lifetime().as_secs(),
            "required": policy.mode() == BindingMode::Require,
        });
        answer(200, &body)
    }

    /// The answer to `POST /demo/thief`, whose body says what to do: `{"do":"copy"}` or `{"do":"try"}`. `by_cookie`
    /// says whether the caller showed a session cookie; otherwise the cookie is a refresh token's.
    pub async fn act<'a>(
        &self,
        auth: &Auth,
        session: SessionId,
        by_cookie: bool,
        cookies: impl Iterator<Item = &'a [u8]>,
        body: &[u8],
    ) -> Response<Bytes> {
        let Some(thief) = &self.0 else {
            return answer(404, &json!({ "error": "not_found" }));
        };
        match serde_json::from_slice(body) {
            Ok(Command::Copy) => {
                let copy = Cookies::read(cookies);
                let body = json!({
                    "cookies": copy.names().collect::<Vec<_>>(),
                    "good_for": copy.good_for(auth, session),
                });
                thief.keep(session, copy);
                answer(200, &body)
            }
            Ok(Command::Try) => match thief.copy_of(session) {
                Some(copy) => thief.try_copy(auth, session, by_cookie, copy).await,
                None => answer(409, &json!({ "error": "conflict" })),
            },
            Err(_) => answer(400, &json!({ "error": "invalid_request" })),
        }
    }
}

impl Shared {
    fn keep(&self, session: SessionId, copy: Cookies) {
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        if copies.len() >= MOST {
            copies.clear();
        }
        copies.insert(session, copy);
    }

    fn copy_of(&self, session: SessionId) -> Option<Cookies> {
        let copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        copies.get(&session).cloned()
    }

    async fn try_copy(
        &self,
        auth: &Auth,
        session: SessionId,
        by_cookie: bool,
        mut copy: Cookies,
    ) -> Response<Bytes> {
        let (method, path) = if by_cookie {
            (Method::GET, "/api/me".to_owned())
        } else {
            let path = format!("{}/refresh", auth.config().prefix());
            (Method::POST, path)
        };
        let used = self.client.send(&method, &path, &copy, &[]).await;
        let renewed = self.client.renew(auth, session, &copy).await;
        let good_for = copy.good_for(auth, session);
        if let Ok(used) = &used {
            // A good thief keeps what a browser would keep.
            copy.update(used);
            self.keep(session, copy);
        }
        match (used, renewed) {
            (Ok(used), Ok(renewed)) => {
                let body = json!({
                    "good_for": good_for,
                    "use": used.report(&method, &path),
                    "renewal": renewed.report(&Method::POST, &client::device(auth)),
                });
                answer(200, &body)
            }
            (Err(error), _) | (_, Err(error)) => {
                tracing::warn!(%error, "the thief of the demo cannot reach the server");
                answer(503, &json!({ "error": "temporarily_unavailable" }))
            }
        }
    }
}

impl fmt::Debug for Thief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Thief").field(&self.is_on()).finish()
    }
}

impl Cookies {
    /// For how many seconds more the session's bound cookie among them is good; `None` if none is.
    fn good_for(&self, auth: &Auth, session: SessionId) -> Option<u64> {
        let manager = auth.manager();
        let values = self.iter().filter(|(name, _)| name.starts_with(BOUND));
        let shown = manager.shown_cookie(session, values.map(|(_, value)| value));
        let left = |until: UnixTime| until.as_secs().saturating_sub(manager.now().as_secs());
        shown.until().map(left)
    }
}

impl Answered {
    fn report(&self, method: &Method, path: &str) -> Value {
        json!({
            "request": format!("{method} {path}"),
            "status": self.status.as_u16(),
            "error": self.error,
        })
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
