//! What a handler has answered, as far as the end of its request depends on it.

use std::fmt;
use std::future::Future;

use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue, StatusCode};
use token_core::PRODUCT;
use tracing::warn;

use crate::auth::Auth;
use crate::cookies::{Kind, sets_same_cookie};
use crate::private_data::DataError;

/// Put into the extensions of an answer that reports an effect: new credentials, or that they were
/// taken away. The adapters' `Answer` puts it there.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "it is a mark")]
pub struct Effect;

/// What a handler has answered.
pub struct Answered {
    status: StatusCode,
    set_cookies: Vec<HeaderValue>,
    effect: bool,
}

impl fmt::Debug for Answered {
    /// The cookies may be credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answered")
            .field("status", &self.status)
            .field("effect", &self.effect)
            .finish_non_exhaustive()
    }
}

impl Answered {
    /// Of an answer with this status and these header fields. `effect` says whether it has the mark
    /// [`Effect`].
    pub fn new(status: StatusCode, headers: &HeaderMap, effect: bool) -> Self {
        let set_cookies = headers.get_all(SET_COOKIE).iter().cloned().collect();
        Self::with_cookies(status, set_cookies, effect)
    }

    /// The same for a framework with header fields of its own.
    pub const fn with_cookies(
        status: StatusCode,
        set_cookies: Vec<HeaderValue>,
        effect: bool,
    ) -> Self {
        Self {
            status,
            set_cookies,
            effect,
        }
    }

    /// Whether it sets or deletes the same cookie as this field.
    pub(crate) fn sets(&self, field: &HeaderValue) -> bool {
        let fields = self.set_cookies.iter().map(HeaderValue::as_bytes);
        sets_same_cookie(fields, field.as_bytes())
    }

    /// Whether it reports something that has happened and cannot be taken back: a login, a step-up, a logout.
    /// Its credentials are answered once, so no other answer takes its place, whatever else fails.
    pub fn reports_effect(&self, auth: &Auth) -> bool {
        let names = auth.config().cookie_names();
        let kinds = [Kind::Session, Kind::Refresh];
        self.effect || kinds.iter().any(|kind| self.sets(&names.delete(*kind)))
    }

    /// Stores what the handler has changed, unless the server failed: what a handler did before that is only
    /// half of its work.
    pub(crate) async fn settle(
        &self,
        auth: &Auth,
        save: impl Future<Output = Result<(), DataError>>,
    ) -> Result<(), DataError> {
        if self.status.is_server_error() {
            return Ok(());
        }
        match save.await {
            Err(error) if self.reports_effect(auth) => {
                let error = &error as &dyn std::error::Error;
                warn!(
                    target: PRODUCT,
                    error, "what a handler stored beside a login, a step-up or a logout was not written"
                );
                Ok(())
            }
            saved => saved,
        }
    }
}
