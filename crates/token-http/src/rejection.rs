//! The answer to a refused request, and which answer each error of the library gets.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;
use thiserror::Error;
use token_core::access::ClaimsError;
use token_core::session::{Denial, DenialReason, IssueError};
use token_core::{PRODUCT, VerifyError};
use token_session::signer::SignerError;
use token_session::{AccessError, LoginError, ManagerError, RefreshError, StoreError};
use tracing::{debug, error, warn};

use crate::answer;
use crate::dpop::fields;
use crate::refusal::{Refusal, TokenFault};

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

/// Where a request was refused, which decides on the challenge.
#[derive(Clone, Debug)]
enum Place {
    /// Without a challenge.
    Anywhere,
    /// In an application that is set up wrongly, with the fix.
    Misconfigured(Cow<'static, str>),
    /// In a handler or route that checks credentials itself, in this realm.
    Route(Arc<str>),
    /// At a protected resource, in this realm if it is known.
    Resource(Option<Arc<str>>),
    /// The same for a request that proves a key, or has to.
    Bound(Option<Arc<str>>),
}

impl Rejection {
    pub(crate) const fn at_route(refusal: Refusal, realm: Arc<str>) -> Self {
        let place = Place::Route(realm);
        Self {
            refusal,
            place,
            cookie: None,
        }
    }

    /// Refuses a request to a protected resource, with the challenge of this realm: for services
    /// that verify tokens without an [`Auth`](crate::Auth), which has the realm itself.
    /// The refusal is logged at `debug`.
    pub fn at_resource(refusal: Refusal, realm: impl Into<Arc<str>>) -> Self {
        Self::resource(refusal.logged(), Some(realm.into()))
    }

    /// The same for a refusal whose reason is in the log already.
    pub(crate) const fn resource(refusal: Refusal, realm: Option<Arc<str>>) -> Self {
        let place = Place::Resource(realm);
        Self {
            refusal,
            place,
            cookie: None,
        }
    }

    /// Refuses a request to a protected resource that came with `Authorization: DPoP`, or should have.
    pub(crate) const fn bound_resource(refusal: Refusal, realm: Arc<str>) -> Self {
        let place = Place::Bound(Some(realm));
        Self {
            refusal,
            place,
            cookie: None,
        }
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

    /// An application that is set up wrongly: 500, and a line in the log with the fix. In a debug
    /// build the answer has it too, since there may be no log yet on a first try. For adapters.
    pub fn misconfigured(fix: impl Into<Cow<'static, str>>) -> Self {
        let fix = fix.into();
        error!(target: PRODUCT, "{fix}");
        let place = Place::Misconfigured(fix);
        let refusal = Refusal::ServerError;
        Self {
            refusal,
            place,
            cookie: None,
        }
    }

    /// Sets or deletes a cookie with the answer.
    pub(crate) fn with_cookie(self, field: HeaderValue) -> Self {
        let cookie = Some(field);
        Self { cookie, ..self }
    }

    pub(crate) const fn plain(refusal: Refusal) -> Self {
        let place = Place::Anywhere;
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
    fn is_for_want_of_proof(&self) -> bool {
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
        let status = match (refusal, &self.place) {
            (Refusal::InvalidDpopProof | Refusal::UseDpopNonce(_), Place::Bound(_)) => {
                StatusCode::UNAUTHORIZED
            }
            _ => refusal.status(),
        };
        let mut response = answer::json(status, &body);
        let headers = response.headers_mut();
        if let Some(field) = &self.cookie {
            headers.insert(SET_COOKIE, field.clone());
        }
        if let Some(challenge) = self.challenge() {
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
            Refusal::TemporarilyUnavailable => {
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

    /// The `WWW-Authenticate` field ([RFC 6750 section 3](https://www.rfc-editor.org/rfc/rfc6750#section-3)).
    fn challenge(&self) -> Option<HeaderValue> {
        let (realm, at_resource) = match &self.place {
            Place::Anywhere | Place::Misconfigured(_) => return None,
            Place::Route(realm) => (Some(realm), false),
            Place::Resource(realm) | Place::Bound(realm) => (realm.as_ref(), true),
        };
        let is_bound = matches!(self.place, Place::Bound(_));
        // Texts of the application: characters that cannot be quoted are left out.
        let quotable = |c: &char| matches!(c, ' '..='~') && *c != '"' && *c != '\\';
        let cut = |value: &str| value.chars().filter(quotable).collect::<String>();
        // > If the client attempted to authenticate via the "Authorization" request header field,
        // > the authorization server MUST [...] include the "WWW-Authenticate" response header
        // > field matching the authentication scheme used by the client.
        // RFC 6749 section 5.2; only Basic is refused so.
        let scheme = match &self.refusal {
            Refusal::InvalidClient => "Basic",
            _ if is_bound => "DPoP",
            _ => "Bearer",
        };
        let mut text = scheme.to_owned();
        let mut add = |name: &str, value: &str| {
            let comma = if text.len() > scheme.len() { "," } else { "" };
            let value = cut(value);
            write!(text, "{comma} {name}=\"{value}\"").expect("writing to a String succeeds");
        };
        if let Some(realm) = realm {
            add("realm", realm);
        }
        match &self.refusal {
            // > If the request lacks any authentication information [...], the resource server
            // > SHOULD NOT include an error code or other error information.
            // RFC 6750 section 3.1
            Refusal::InvalidClient
            | Refusal::InvalidCredentials
            | Refusal::Unauthorized
            | Refusal::Unbound => {}
            Refusal::InvalidRequest if at_resource => add("error", "invalid_request"),
            Refusal::InvalidToken(fault) => {
                add("error", "invalid_token");
                add("error_description", fault.as_str());
            }
            Refusal::InsufficientScope { scope } => {
                add("error", "insufficient_scope");
                add("scope", scope);
            }
            Refusal::InsufficientUserAuthentication {
                max_age,
                acr_values,
            } => {
                add("error", "insufficient_user_authentication");
                if let Some(max_age) = max_age {
                    add("max_age", &max_age.as_secs().to_string());
                }
                if !acr_values.is_empty() {
                    add("acr_values", acr_values);
                }
            }
            Refusal::InvalidDpopProof | Refusal::UseDpopNonce(_) if is_bound => {
                add("error", self.refusal.code());
            }
            _ => return None,
        }
        // > The algs parameter SHOULD be included to signal to the client the JWS algorithms that are
        // > acceptable for the DPoP proof JWT.
        // RFC 9449 section 7.1
        if is_bound {
            add("algs", fields::ALGORITHMS);
        }
        Some(HeaderValue::try_from(text).expect("only quotable characters are left"))
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

impl From<StoreError> for Rejection {
    fn from(error: StoreError) -> Self {
        warn!(
            target: PRODUCT,
            error = &error as &dyn std::error::Error,
            "the session store cannot be reached"
        );
        Self::temporarily_unavailable()
    }
}

impl From<SignerError> for Rejection {
    /// The client tries again, and gets the same refresh token.
    fn from(error: SignerError) -> Self {
        warn!(
            target: PRODUCT,
            error = &error as &dyn std::error::Error,
            "a token could not be signed"
        );
        Self::temporarily_unavailable()
    }
}

impl From<LoginError> for Rejection {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Signer(error) => error.into(),
            LoginError::Store(error) => error.into(),
            // The password may be another now: the client has to try again, and be checked again.
            LoginError::EpochPassed => {
                debug!(target: PRODUCT, %error, "login refused");
                Self::temporarily_unavailable()
            }
            error => Self::fault(&error),
        }
    }
}

impl From<RefreshError> for Rejection {
    /// The answer to a refresh, a step-up or a change of password that failed.
    fn from(error: RefreshError) -> Self {
        Self::of_renewal(error, |denial| Refusal::InvalidGrant(denial.reason()))
    }
}

impl From<Denial> for Rejection {
    /// As the refresh route answers a credential that is refused.
    fn from(denial: Denial) -> Self {
        RefreshError::from(denial).into()
    }
}

impl From<AccessError> for Rejection {
    /// The answer of a protected resource. Its challenge names no realm, since that is known to an
    /// [`Auth`](crate::Auth) alone.
    fn from(error: AccessError) -> Self {
        Self::of_access(error, None)
    }
}

impl From<ManagerError> for Rejection {
    /// Keys that cannot be put in force, for example.
    fn from(error: ManagerError) -> Self {
        Self::fault(&error)
    }
}

impl From<IssueError> for Rejection {
    fn from(error: IssueError) -> Self {
        RefreshError::from(error).into()
    }
}

impl Rejection {
    /// The answer of a protected resource to a session cookie that was not accepted.
    pub(crate) fn of_cookie(error: RefreshError, realm: Arc<str>) -> Self {
        let rejection = Self::of_renewal(error, |denial| {
            Refusal::InvalidToken(TokenFault::of_reason(denial.reason()))
        });
        match rejection.refusal {
            Refusal::InvalidToken(_) | Refusal::Unbound => {
                Self::resource(rejection.refusal, Some(realm))
            }
            _ => rejection,
        }
    }

    /// The answer of a protected resource to an access token that was not accepted.
    pub(crate) fn of_access(error: AccessError, realm: Option<Arc<str>>) -> Self {
        match error {
            AccessError::Behind => {
                warn!(target: PRODUCT, %error, "an access token could not be checked");
                Self::temporarily_unavailable()
            }
            AccessError::Store(error) => error.into(),
            // Only the server can have signed it, so two of its own types differ.
            AccessError::Invalid(VerifyError::Claims(ClaimsError::Custom { claim })) => {
                warn!(
                    target: PRODUCT,
                    %claim,
                    "an access token is genuine, but its own claims are not of the handler's type; give a new \
                     field `#[serde(default)]`, or write it with a `RefreshHook`"
                );
                Self::resource(Refusal::InvalidToken(TokenFault::Invalid), realm)
            }
            error => {
                debug!(target: PRODUCT, %error, "access token refused");
                Self::resource(Refusal::InvalidToken(fault(&error)), realm)
            }
        }
    }

    /// The answer to a refresh token in a body that was not accepted.
    ///
    /// > The provided authorization grant [...] or refresh token is invalid, expired, revoked, does not match
    /// > the redirection URI used in the authorization request, or was issued to another client.
    ///
    /// RFC 6749 section 5.2: so is one that came without the proof of its key.
    pub(crate) fn of_grant(error: RefreshError) -> Self {
        match error {
            RefreshError::Denied(denial @ Denial::Unbound(_)) => {
                Self::plain(Refusal::InvalidGrant(denial.reason()).because(&denial))
            }
            error => error.into(),
        }
    }

    /// The same as [`of_access`](Self::of_access) for a token that came with a proof, or should have.
    pub(crate) fn of_bound_access(error: AccessError, realm: Arc<str>) -> Self {
        let rejection = Self::of_access(error, Some(realm));
        match rejection.place {
            Place::Resource(realm) => Self {
                place: Place::Bound(realm),
                ..rejection
            },
            _ => rejection,
        }
    }

    fn of_renewal(error: RefreshError, denied: impl FnOnce(&Denial) -> Refusal) -> Self {
        match error {
            RefreshError::Denied(Denial::Unbound(why)) => {
                Self::resource(Refusal::Unbound.because(why), None)
            }
            RefreshError::Denied(denial) => Self::plain(denied(&denial).because(&denial)),
            RefreshError::Scope => Self::plain(Refusal::InvalidScope.because(&error)),
            RefreshError::Refused => Self::plain(Refusal::AccessDenied.because(&error)),
            RefreshError::Signer(error) => error.into(),
            RefreshError::Store(error) => error.into(),
            RefreshError::Behind => {
                warn!(target: PRODUCT, %error, "a session cookie could not be checked");
                Self::temporarily_unavailable()
            }
            RefreshError::Contended { .. } => {
                warn!(target: PRODUCT, %error, "too many requests renewed one session at the same time");
                Self::temporarily_unavailable()
            }
            // Another node has the key, and this one will have it once it is given all keys.
            RefreshError::Issue(IssueError::KeyMissing { .. }) => {
                error!(target: PRODUCT, %error, "a refresh key is missing on this node");
                Self::temporarily_unavailable()
            }
            error => Self::fault(&error),
        }
    }

    fn fault(error: &(dyn std::error::Error + 'static)) -> Self {
        error!(target: PRODUCT, error, "an error of the server");
        Self::server_error()
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

fn fault(error: &AccessError) -> TokenFault {
    match error {
        AccessError::Revoked { .. } => TokenFault::Revoked,
        AccessError::Invalid(error) if error.is_expired() => TokenFault::Expired,
        _ => TokenFault::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

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
