//! What a token endpoint says.

use serde_json::{Map, Value};

use super::secret::{AccessToken, RefreshToken};
use crate::dpop::ClientKey;

/// The members of a token response or of its error that matter here. What is missing or of a wrong type is `None`.
#[derive(Debug, Default)]
pub(crate) struct Body {
    pub(crate) access: Option<AccessToken>,
    pub(crate) refresh: Option<RefreshToken>,
    pub(crate) life: Option<i64>,
    pub(crate) grace: Option<i64>,
    pub(crate) session: Option<String>,
    pub(crate) token_type: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) reason: Option<String>,
}

/// The tokens of a good answer.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    pub(crate) access: AccessToken,
    pub(crate) refresh: Option<RefreshToken>,
    pub(crate) session: Option<String>,
    /// The key that a login bound them to. A renewal leaves it as it is.
    pub(crate) key: Option<ClientKey>,
    /// The access token's life from `asked_at` on.
    pub(crate) life: i64,
    /// How long the server recognises a request whose answer was lost. 0 means unknown, or not at all.
    pub(crate) grace: i64,
    /// When the request was sent, by the wall clock. The server's own times are never compared with that clock.
    pub(crate) asked_at: i64,
}

impl Body {
    /// Reads the body of an answer, whatever it is.
    pub(crate) fn read(text: &[u8]) -> Self {
        let Ok(Value::Object(mut members)) = serde_json::from_slice(text) else {
            return Self::default();
        };
        Self {
            access: text_of(&mut members, "access_token").map(Into::into),
            refresh: text_of(&mut members, "refresh_token").map(Into::into),
            life: milliseconds(&members, "expires_in"),
            grace: milliseconds(&members, "refresh_grace"),
            session: text_of(&mut members, "session_id"),
            token_type: text_of(&mut members, "token_type"),
            error: text_of(&mut members, "error"),
            reason: text_of(&mut members, "reason"),
        }
    }

    /// Whether the tokens are bound to a key
    /// ([RFC 9449 section 5](https://www.rfc-editor.org/rfc/rfc9449#section-5)).
    pub(crate) fn is_bound(&self) -> bool {
        let name = self.token_type.as_deref().unwrap_or_default();
        name.eq_ignore_ascii_case("DPoP")
    }

    /// The tokens, if this is a token response to a request that was sent at `asked_at`.
    pub(crate) fn tokens(&self, asked_at: i64) -> Option<Tokens> {
        Some(Tokens {
            access: self.access.clone()?,
            refresh: self.refresh.clone(),
            session: self.session.clone(),
            key: None,
            life: self.life.unwrap_or(UNKNOWN_LIFE),
            grace: self.grace.unwrap_or(0),
            asked_at,
        })
    }
}

/// Moves a text out, so that no copy of a token stays.
fn text_of(members: &mut Map<String, Value>, name: &str) -> Option<String> {
    match members.remove(name)? {
        Value::String(text) if !text.trim().is_empty() => Some(text),
        _ => None,
    }
}

/// A positive number of seconds, which some servers write as a text.
fn milliseconds(members: &Map<String, Value>, name: &str) -> Option<i64> {
    let value = members.get(name)?;
    let number = value.as_f64();
    let number = number.or_else(|| value.as_str()?.trim().parse().ok())?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a cast of a float saturates, and a century is enough"
    )]
    let milliseconds = (number.clamp(0.0, LONGEST) * 1e3) as i64;
    (milliseconds > 0).then_some(milliseconds)
}

/// A hundred years in seconds.
const LONGEST: f64 = 100.0 * 365.0 * 86_400.0;

/// > RECOMMENDED. […] If omitted, the authorization server SHOULD provide the expiration time via
/// > other means (RFC 6749 section 5.1, of `expires_in`)
///
/// There are no other means here, so the tokens of such a server are renewed every few minutes.
const UNKNOWN_LIFE: i64 = 300_000;
