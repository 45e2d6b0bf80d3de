//! Why a request is refused: one variant for each answer that is not a success.

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use thiserror::Error;
use token_core::PRODUCT;
use token_core::binding::dpop::Nonce;
use token_core::session::DenialReason;
use tracing::debug;

/// Why a request is refused, as far as the client may know. The evidence is in the log.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// 403: the application's hook refused the refresh; the token stays usable.
    #[error("the application refused the refresh")]
    AccessDenied,
    /// 409: the session's data was changed by another request at the same time.
    #[error("the session's data was changed by another request")]
    Conflict,
    /// 403: the request came from another site's page.
    #[error("the request came from another origin")]
    Csrf,
    /// 403: the caller's claims do not meet the [`Rule`](crate::Rule) of the route.
    #[error("the route is not for this caller")]
    Forbidden,
    /// 504: the store did not confirm a write, so that it may have been done. A client repeats a refresh with
    /// the same token within the grace.
    #[error("it is unknown whether the request was carried out")]
    GatewayTimeout,
    /// 403: a scope is missing.
    #[error("the scope {scope} is missing")]
    InsufficientScope {
        /// What the route demands.
        scope: Box<str>,
    },
    /// 401: the authentication is too old or too weak for this route
    /// ([RFC 9470 section 3](https://www.rfc-editor.org/rfc/rfc9470#section-3)).
    #[error("the route demands another authentication")]
    InsufficientUserAuthentication {
        /// The greatest age of the authentication; whole seconds.
        max_age: Option<Duration>,
        /// The accepted classes of authentication, separated by spaces; may be empty.
        acr_values: Box<str>,
    },
    /// 401: a client, such as a resource server, did not authenticate
    /// ([RFC 6749 section 5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)).
    #[error("the client is not authenticated")]
    InvalidClient,
    /// 401: unknown user or wrong password; the answer does not say which.
    #[error("unknown user or wrong password")]
    InvalidCredentials,
    /// The proof of the client's key is missing, or not good for this request: 400 if the request is for
    /// tokens, 401 at a protected resource ([RFC 9449](https://www.rfc-editor.org/rfc/rfc9449)).
    #[error("the proof of the client's key is missing or not valid")]
    InvalidDpopProof,
    /// 400: the refresh token or cookie is not valid.
    #[error("the credential is {}", .0.as_str())]
    InvalidGrant(DenialReason),
    /// 400: the request is malformed.
    #[error("the request is malformed")]
    InvalidRequest,
    /// 400: the scope is wider than that of the session, or malformed.
    #[error("the scope exceeds that of the session")]
    InvalidScope,
    /// 401: the access token or session cookie is not valid.
    #[error("the token is {}", .0.as_str())]
    InvalidToken(TokenFault),
    /// 405: the route does not have this method.
    #[error("the method is not allowed here")]
    MethodNotAllowed {
        /// The methods that it has, in alphabetic order.
        allow: &'static str,
    },
    /// 404: there is nothing here.
    #[error("not found")]
    NotFound,
    /// 413: the body is longer than [`MAX_BODY`](crate::MAX_BODY).
    #[error("the body is too long")]
    PayloadTooLarge,
    /// 408: the body did not come in time
    /// ([`AuthConfigBuilder::body_timeout`](crate::AuthConfigBuilder::body_timeout)).
    #[error("the body did not come in time")]
    RequestTimeout,
    /// 500: an error of the server that a retry does not fix.
    #[error("an error of the server")]
    ServerError,
    /// 503: the store cannot be reached, and nothing was done.
    #[error("the store cannot be reached")]
    TemporarilyUnavailable,
    /// 429: the application's limit on attempts.
    #[error("too many attempts")]
    TooManyRequests {
        /// When to try again; rounded up to whole seconds, at least 1.
        retry_after: Duration,
    },
    /// 401: the credential is genuine, and the request does not prove that its client has the key to which
    /// the session is bound. The session lives on, and the request may be repeated with the proof.
    #[error("there is no proof of the session's key")]
    Unbound,
    /// 401: the request has no credentials.
    #[error("there are no credentials")]
    Unauthorized,
    /// 400: the `grant_type` is not `refresh_token`.
    #[error("the grant type is not supported")]
    UnsupportedGrantType,
    /// The proof lacks the current nonce, which comes along: 400 if the request is for tokens, 401 at a
    /// protected resource ([RFC 9449 section 8](https://www.rfc-editor.org/rfc/rfc9449#section-8)).
    #[error("the proof does not have the current nonce")]
    UseDpopNonce(Nonce),
    /// 415: the body is neither JSON nor a form, as the route demands.
    #[error("the media type of the body is not supported")]
    UnsupportedMediaType,
}

/// What the client may know of a token that is not valid: the `error_description`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the HTTP contract has these three")]
pub enum TokenFault {
    /// The token has expired.
    Expired,
    /// The token is not valid for any other reason.
    Invalid,
    /// The session was ended.
    Revoked,
}

impl TokenFault {
    /// The word in the answer.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Invalid => "invalid",
            Self::Revoked => "revoked",
        }
    }

    pub(crate) const fn of_reason(reason: DenialReason) -> Self {
        match reason {
            DenialReason::Expired => Self::Expired,
            DenialReason::Malformed | DenialReason::Unbound | DenialReason::Unknown => {
                Self::Invalid
            }
            DenialReason::Reused | DenialReason::Revoked => Self::Revoked,
        }
    }
}

impl Refusal {
    /// Logs the reason, for developers: the answer says no more than the client may know. `why` must
    /// have no secret in it, such as a token or a password that was sent in the wrong place.
    pub(crate) fn because(self, why: impl fmt::Display) -> Self {
        debug!(target: PRODUCT, error = self.code(), "request refused: {why}");
        self
    }

    /// The same if there is no more to say than the refusal itself does.
    pub(crate) fn logged(self) -> Self {
        debug!(target: PRODUCT, error = self.code(), "request refused: {self}");
        self
    }

    /// The status of the answer; at a protected resource that of a proof is 401 instead.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::InvalidDpopProof
            | Self::InvalidGrant(_)
            | Self::InvalidRequest
            | Self::InvalidScope
            | Self::UnsupportedGrantType
            | Self::UseDpopNonce(_) => StatusCode::BAD_REQUEST,
            Self::InsufficientUserAuthentication { .. }
            | Self::InvalidClient
            | Self::InvalidCredentials
            | Self::InvalidToken(_)
            | Self::Unbound
            | Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::AccessDenied | Self::Csrf | Self::Forbidden | Self::InsufficientScope { .. } => {
                StatusCode::FORBIDDEN
            }
            Self::GatewayTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict => StatusCode::CONFLICT,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
            Self::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The `error` member of the answer.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AccessDenied => "access_denied",
            Self::Conflict => "conflict",
            Self::Csrf => "csrf_failed",
            Self::Forbidden => "forbidden",
            Self::GatewayTimeout => "gateway_timeout",
            Self::InsufficientScope { .. } => "insufficient_scope",
            Self::InsufficientUserAuthentication { .. } => "insufficient_user_authentication",
            Self::InvalidClient => "invalid_client",
            Self::InvalidCredentials => "invalid_credentials",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::InvalidGrant(_) => "invalid_grant",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidToken(_) => "invalid_token",
            Self::MethodNotAllowed { .. } => "method_not_allowed",
            Self::NotFound => "not_found",
            Self::PayloadTooLarge => "payload_too_large",
            Self::RequestTimeout => "request_timeout",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::TooManyRequests { .. } => "too_many_requests",
            Self::Unauthorized => "unauthorized",
            Self::Unbound => "unbound",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::UseDpopNonce(_) => "use_dpop_nonce",
        }
    }
}
