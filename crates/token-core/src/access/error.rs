//! Why a token is refused, one variant a rule.

use thiserror::Error;

use crate::jose::header::HeaderError;
use crate::jose::json::JsonError;
use crate::jose::jws::FormError;
use crate::keys::algorithm::Algorithm;
use crate::types::name::InvalidName;
use crate::types::time::UnixTime;

/// The rule that a token breaks. For logs: it has evidence, and nothing of the token but its times.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// `alg` is not the algorithm of the key that `kid` names.
    #[error("the token does not name {expected}, the algorithm of its key")]
    AlgorithmMismatch {
        /// The algorithm of the key.
        expected: Algorithm,
    },
    /// `auth_time` is in the future by more than the leeway.
    #[error("it is {now}, and the subject would authenticate only at {auth_time}")]
    AuthenticatedInFuture {
        /// The caller's time.
        now: UnixTime,
        /// What the token says.
        auth_time: UnixTime,
    },
    /// The claims break a rule of their own.
    #[error("claims: {0}")]
    Claims(#[from] ClaimsError),
    /// `exp` has been reached.
    #[error("it is {now}, and the token expired at {expires}")]
    Expired {
        /// The caller's time.
        now: UnixTime,
        /// What the token says.
        expires: UnixTime,
    },
    /// `exp` is not after `iat`.
    #[error("the token was issued at {issued} and expires at {expires}")]
    ExpiresBeforeIssue {
        /// What the token says.
        issued: UnixTime,
        /// What the token says.
        expires: UnixTime,
    },
    /// Not a JWS in compact form.
    #[error("form: {0}")]
    Form(#[from] FormError),
    /// The header breaks a rule.
    #[error("header: {0}")]
    Header(#[from] HeaderError),
    /// `iat` is in the future by more than the leeway.
    #[error("it is {now}, and the token would be issued only at {issued}")]
    IssuedInFuture {
        /// The caller's time.
        now: UnixTime,
        /// What the token says.
        issued: UnixTime,
    },
    /// `nbf` is in the future by more than the leeway.
    #[error("it is {now}, and the token begins at {not_before}")]
    NotYetValid {
        /// The caller's time.
        now: UnixTime,
        /// What the token says.
        not_before: UnixTime,
    },
    /// The signature is not that of the key.
    #[error("the signature does not hold")]
    Signature,
    /// Older than the verifier believes, whatever `exp` says.
    #[error("it is {now}, and the token was issued at {issued}, longer ago than is accepted")]
    TooOld {
        /// The caller's time.
        now: UnixTime,
        /// What the token says.
        issued: UnixTime,
    },
    /// `kid` names no key that is known here.
    #[error("the token names a key that is not known here")]
    UnknownKey,
    /// `aud` does not name this verifier.
    #[error("the token is meant for another audience")]
    WrongAudience,
    /// `iss` is another.
    #[error("the token names another issuer")]
    WrongIssuer,
    /// `typ` is not that of an access token.
    #[error("the token is not an access token")]
    WrongType,
}

impl VerifyError {
    /// What the client may learn.
    pub fn rejection(&self) -> Rejection {
        match self {
            Self::Expired { .. } | Self::TooOld { .. } => Rejection::Expired,
            _ => Rejection::Invalid,
        }
    }
}

/// All that a client learns of a refused token. (That it was revoked is found out elsewhere.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the HTTP contract has these two answers"
)]
pub enum Rejection {
    /// It was good, and its time is over: renew it.
    Expired,
    /// Anything else.
    Invalid,
}

/// Claims that are not accepted, whatever the time and the configuration. None of them is repeated.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClaimsError {
    /// The token is bound to a key of its client (`cnf`, RFC 7800), which a bearer does not prove.
    #[error("the token is bound to a key of its client")]
    BoundToKey,
    /// The application's own claims are not what its type expects.
    #[error("the application's own claims are not as expected")]
    Custom,
    /// A claim twice.
    #[error("the claim {claim} stands twice")]
    Duplicate {
        /// Which; `another` for one that is not the library's.
        claim: &'static str,
    },
    /// A claim with a text that cannot be.
    #[error("the claim {claim} does not have the required form")]
    Form {
        /// Which.
        claim: &'static str,
    },
    /// Not strict JSON in UTF-8.
    #[error("not strict JSON: {0}")]
    Json(JsonError),
    /// A claim that must be there.
    #[error("the claim {claim} is missing")]
    Missing {
        /// Which.
        claim: &'static str,
    },
    /// A name that is empty, too long or has a wrong character.
    #[error("the claim {claim} is not acceptable: {reason}")]
    Name {
        /// Which.
        claim: &'static str,
        /// Why.
        reason: InvalidName,
    },
    /// JSON, but not an object.
    #[error("not an object")]
    NotAnObject,
    /// A time after the year 9999.
    #[error("the claim {claim} is not a time before the year 10000")]
    Time {
        /// Which.
        claim: &'static str,
    },
    /// A claim of the wrong JSON type.
    #[error("the claim {claim} is not of the right type")]
    Type {
        /// Which.
        claim: &'static str,
    },
}
