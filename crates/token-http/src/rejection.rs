//! The answer to a refused request.

mod of_errors;
mod place;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE};
use http::{HeaderValue, Response};
use serde::Serialize;
use thiserror::Error;
use token_core::PRODUCT;
use token_core::session::DenialReason;
use tracing::error;

use crate::answer;
use crate::bearer::TokenScheme;
use crate::dpop::fields;
use crate::refusal::Refusal;
use crate::rejection::place::{Place, Resource};

/// How long a client should wait if the store cannot be reached, in seconds.
const RETRY_SECONDS: u64 = 1;

/// A refusal with the challenge that belongs to it: what extractors and handlers return.
///
/// Every error of the library becomes one with `?`. If the server is at fault, that logs the error.
#[derive(Clone, Debug, Error)]
#[error("{refusal}")]
pub struct Rejection {
    refusal: Refusal,
    place: Place,
    cookie: Option<HeaderValue>,
}

impl Rejection {
    pub(crate) const fn at_route(refusal: Refusal, realm: Arc<str>) -> Self {
        Self::new(refusal, Place::Route(realm))
    }

    /// Refuses a request to a protected resource, with the challenge of this realm: for services
    /// that verify tokens without an [`Auth`](crate::Auth), which has the realm itself.
    /// The refusal is logged at `debug`.
    pub fn at_resource(refusal: Refusal, realm: impl Into<Arc<str>>) -> Self {
        Self::resource(refusal.logged(), Some(realm.into()))
    }

    /// The same for a refusal whose reason is in the log already.
    pub(crate) const fn resource(refusal: Refusal, realm: Option<Arc<str>>) -> Self {
        Self::new(refusal, Place::Resource(Resource::new(realm)))
    }

    /// Names the realm in a challenge that has none yet.
    pub(crate) fn in_realm(mut self, realm: Arc<str>) -> Self {
        if let Place::Resource(resource) = &mut self.place {
            resource.realm.get_or_insert(realm);
        }
        self
    }

    /// Names the scheme by which a token has to come, in the challenge of a protected resource. Default
    /// [`TokenScheme::Bearer`].
    #[must_use]
    pub fn with_scheme(mut self, scheme: TokenScheme) -> Self {
        if let Place::Resource(resource) = &mut self.place {
            resource.scheme = scheme;
        }
        self
    }

    /// Names the document in which the protected resource says where to get a token
    /// ([RFC 9728 section 5.1](https://www.rfc-editor.org/rfc/rfc9728#section-5.1)):
    /// [`ProtectedResource::metadata_url`](crate::ProtectedResource::metadata_url). Only the challenges of
    /// protected resources have it.
    #[must_use]
    pub fn with_resource_metadata(mut self, url: Option<Arc<str>>) -> Self {
        if let Place::Resource(resource) = &mut self.place {
            resource.metadata = url;
        }
        self
    }

    /// An error of the server: 500, and the client learns nothing of it. Log the evidence.
    pub const fn server_error() -> Self {
        Self::plain(Refusal::ServerError)
    }

    /// Something that the answer needs cannot be reached: 503, and the client may try again in a
    /// second. Log the evidence.
    pub const fn temporarily_unavailable() -> Self {
        Self::plain(Refusal::TemporarilyUnavailable)
    }

    /// The same for a request that had written something before it failed: 504, since 503 says that nothing
    /// was done.
    pub(crate) fn after_a_write(mut self) -> Self {
        if self.refusal == Refusal::TemporarilyUnavailable {
            self.refusal = Refusal::GatewayTimeout;
        }
        self
    }

    /// An application that is set up wrongly: 500, and a line in the log with the fix. In a debug
    /// build the answer has it too, since there may be no log yet on a first try. For adapters.
    pub fn misconfigured(fix: impl Into<Cow<'static, str>>) -> Self {
        let fix = fix.into();
        error!(target: PRODUCT, "{fix}");
        Self::new(Refusal::ServerError, Place::Misconfigured(fix))
    }

    /// Sets or deletes a cookie with the answer.
    pub(crate) fn with_cookie(self, field: HeaderValue) -> Self {
        let cookie = Some(field);
        Self { cookie, ..self }
    }

    pub(crate) const fn plain(refusal: Refusal) -> Self {
        Self::new(refusal, Place::Anywhere)
    }

    const fn new(refusal: Refusal, place: Place) -> Self {
        Self {
            refusal,
            place,
            cookie: None,
        }
    }

    /// Why the request was refused.
    pub const fn refusal(&self) -> &Refusal {
        &self.refusal
    }

    /// Whether an optional caller is served as nobody instead: the credential came without the value that
    /// it is bound to. If there was a value that cannot get better, the refusal deletes it.
    pub(crate) fn is_for_want_of_proof(&self) -> bool {
        self.refusal == Refusal::Unbound && self.cookie.is_none()
    }

    /// The answer.
    pub fn response(&self) -> Response<Bytes> {
        let refusal = &self.refusal;
        let description = match (refusal, &self.place) {
            (Refusal::InvalidGrant(reason), _) => Some(explain(*reason)),
            (_, Place::Misconfigured(fix)) if cfg!(debug_assertions) => Some(&**fix),
            _ => None,
        };
        let reason = match refusal {
            Refusal::InvalidGrant(reason) => Some(reason.as_str()),
            _ => None,
        };
        let body = Body {
            error: refusal.code(),
            error_description: description,
            reason,
        };
        let mut response = answer::json(self.place.status(refusal), &body);
        let headers = response.headers_mut();
        if let Some(field) = &self.cookie {
            headers.insert(SET_COOKIE, field.clone());
        }
        if let Some(challenge) = self.place.challenge(refusal) {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        match refusal {
            Refusal::MethodNotAllowed { allow } => {
                headers.insert(ALLOW, HeaderValue::from_static(allow));
            }
            // > A server SHOULD send the "close" connection option [...] in the response, since 408
            // > implies that the server has decided to close the connection
            // RFC 9110 section 15.5.9
            Refusal::RequestTimeout => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Refusal::GatewayTimeout | Refusal::TemporarilyUnavailable => {
                headers.insert(RETRY_AFTER, RETRY_SECONDS.into());
            }
            Refusal::UseDpopNonce(nonce) => {
                headers.insert(fields::NONCE_FIELD, fields::nonce_value(nonce));
            }
            Refusal::TooManyRequests { retry_after } => {
                let fraction = u64::from(retry_after.subsec_nanos() > 0);
                let rounded_up = retry_after.as_secs().saturating_add(fraction);
                headers.insert(RETRY_AFTER, rounded_up.max(1).into());
            }
            _ => {}
        }
        response
    }
}

/// A caller that may be absent: one who shows a genuine session cookie without the value that it is bound
/// to is served as nobody.
///
/// # Errors
/// Every other refusal.
pub fn optional<T>(found: Result<Option<T>, Rejection>) -> Result<Option<T>, Rejection> {
    match found {
        Err(rejection) if rejection.is_for_want_of_proof() => Ok(None),
        found => found,
    }
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

/// The `error_description`, for developers who look at the answer.
pub(crate) const fn explain(reason: DenialReason) -> &'static str {
    match reason {
        DenialReason::Expired => "the session has expired",
        DenialReason::Malformed => "not a credential of this server",
        DenialReason::Reused => "the credential was used before; its session is ended",
        DenialReason::Revoked => "the session was ended, or the credential replaced",
        DenialReason::Unbound => "there is no proof of the session's key",
        DenialReason::Unknown => "there is no such session",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::refusal::TokenFault;

    /// Status, challenge and body of a refusal at a protected resource.
    fn at_resource(refusal: Refusal) -> (u16, String, String) {
        let response = Rejection::at_resource(refusal, "notes").response();
        let challenge = response.headers().get(WWW_AUTHENTICATE);
        let challenge = challenge.map_or("", |value| value.to_str().unwrap());
        let body = String::from_utf8(response.body().to_vec()).unwrap();
        (response.status().as_u16(), challenge.to_owned(), body)
    }

    #[test]
    fn every_row_of_the_table_of_protected_resources() {
        let max_age = Some(Duration::from_mins(1));
        for (refusal, status, challenge, code) in [
            (
                Refusal::Unauthorized,
                401,
                r#"Bearer realm="notes""#,
                "unauthorized",
            ),
            (
                Refusal::InvalidRequest,
                400,
                r#"Bearer realm="notes", error="invalid_request""#,
                "invalid_request",
            ),
            (
                Refusal::InvalidToken(TokenFault::Expired),
                401,
                r#"Bearer realm="notes", error="invalid_token", error_description="expired""#,
                "invalid_token",
            ),
            (
                Refusal::InvalidToken(TokenFault::Revoked),
                401,
                r#"Bearer realm="notes", error="invalid_token", error_description="revoked""#,
                "invalid_token",
            ),
            (
                Refusal::InvalidToken(TokenFault::Invalid),
                401,
                r#"Bearer realm="notes", error="invalid_token", error_description="invalid""#,
                "invalid_token",
            ),
            (
                Refusal::InsufficientScope {
                    scope: "notes:write".into(),
                },
                403,
                r#"Bearer realm="notes", error="insufficient_scope", scope="notes:write""#,
                "insufficient_scope",
            ),
            (
                Refusal::InsufficientUserAuthentication {
                    max_age,
                    acr_values: "".into(),
                },
                401,
                r#"Bearer realm="notes", error="insufficient_user_authentication", max_age="60""#,
                "insufficient_user_authentication",
            ),
            (
                Refusal::InsufficientUserAuthentication {
                    max_age: None,
                    acr_values: "a b".into(),
                },
                401,
                r#"Bearer realm="notes", error="insufficient_user_authentication", acr_values="a b""#,
                "insufficient_user_authentication",
            ),
            (
                Refusal::TemporarilyUnavailable,
                503,
                "",
                "temporarily_unavailable",
            ),
        ] {
            let body = format!(r#"{{"error":"{code}"}}"#);
            assert_eq!(at_resource(refusal), (status, challenge.to_owned(), body));
        }
    }

    #[test]
    fn a_realm_cannot_end_its_quotes() {
        let rejection = Rejection::at_resource(Refusal::Unauthorized, "a\", \\b\r\nc\u{e9}");
        let response = rejection.response();
        assert_eq!(
            response.headers()[WWW_AUTHENTICATE],
            r#"Bearer realm="a, bc""#
        );
    }

    #[test]
    fn every_401_has_a_challenge() {
        for refusal in [Refusal::InvalidCredentials, Refusal::Unauthorized] {
            let response = Rejection::at_route(refusal, "notes".into()).response();
            assert_eq!(
                response.headers()[WWW_AUTHENTICATE],
                r#"Bearer realm="notes""#
            );
        }
    }

    #[test]
    fn a_refused_grant_says_why() {
        let refusal = Refusal::InvalidGrant(DenialReason::Reused);
        let response = Rejection::plain(refusal).response();
        assert_eq!(response.status(), 400);
        assert!(response.headers().get(WWW_AUTHENTICATE).is_none());
        assert_eq!(
            response.body(),
            concat!(
                r#"{"error":"invalid_grant","#,
                r#""error_description":"the credential was used before; its session is ended","#,
                r#""reason":"reused"}"#
            )
        );
    }

    #[test]
    fn waiting_times_are_whole_seconds_and_at_least_one() {
        for (retry_after, expected) in [
            (Duration::ZERO, "1"),
            (Duration::from_millis(1), "1"),
            (Duration::from_millis(1001), "2"),
            (Duration::from_mins(1), "60"),
            (Duration::MAX, "18446744073709551615"),
        ] {
            let response = Rejection::plain(Refusal::TooManyRequests { retry_after }).response();
            assert_eq!(
                (response.status().as_u16(), &response.headers()[RETRY_AFTER]),
                (429, &HeaderValue::from_static(expected))
            );
        }
        let response = Rejection::temporarily_unavailable().response();
        assert_eq!(response.headers()[RETRY_AFTER], "1");
    }

    #[test]
    fn no_refusal_may_be_cached() {
        let response = Rejection::server_error().response();
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers()["pragma"], "no-cache");
        assert_eq!(response.body(), r#"{"error":"server_error"}"#);
    }

    #[test]
    fn a_scope_from_the_application_cannot_break_the_header() {
        let scope = "a\r\nx: \"y\"\\ä".into();
        let (_, challenge, _) = at_resource(Refusal::InsufficientScope { scope });
        assert!(challenge.ends_with(r#"scope="ax: y""#), "{challenge}");
    }
}
