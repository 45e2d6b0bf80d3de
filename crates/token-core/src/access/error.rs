//! Why a token is refused: one variant for each rule.

use thiserror::Error;

use crate::jose::error::FormError;
use crate::jose::json::JsonError;
use crate::keys::algorithm::Algorithm;
use crate::types::invalid::InvalidValue;
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
    /// Not a JWS in compact form, or its header is not accepted.
    #[error("form: {0}")]
    Form(#[from] FormError),
    /// The token has a session of this library behind it, which a foreign token never has. Verify it with
    /// [`Verifier`](crate::Verifier), so that it can be asked whether the session has ended.
    #[error("the token has a session of this library behind it; verify it with `Verifier`")]
    HasSession,
    /// `iat` or `nbf`, or `auth_time` if a profile requires it, is in the future by more than the leeway.
    #[error("it is {now}, and the claim `{claim}` says {time}")]
    InFuture {
        /// The name of the claim.
        claim: &'static str,
        /// The caller's time.
        now: UnixTime,
        /// What the token says.
        time: UnixTime,
    },
    /// The token is bound to no key, and came with a proof of one.
    #[error("the token is bound to no key, and came with a proof of one")]
    NotBound,
    /// The signature is not that of the key.
    #[error("the signature is not that of the key")]
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
    /// The key signs for another issuer, as its set says.
    #[error("the key of the token signs for another issuer")]
    WrongKeyIssuer,
    /// The tenant is none of those that were chosen.
    #[error("the token is of another tenant")]
    WrongTenant,
    /// The token is bound to another key than that of the proof.
    #[error("the token is bound to another key than that of the proof")]
    WrongKey,
    /// `typ` is not that of an access token, or none that the issuer's profile names.
    #[error("the token's `typ` is not accepted here")]
    WrongType,
}

impl VerifyError {
    /// Whether the token was good until its time had passed, so that its client should renew it. A client
    /// learns nothing else of a refused token.
    pub const fn is_expired(&self) -> bool {
        matches!(self, Self::Expired { .. } | Self::TooOld { .. })
    }
}

/// Claims that are not accepted, whatever the time and the configuration. None of them is repeated.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClaimsError {
    /// The token is bound to a key of its client (`cnf`, RFC 7800), and no proof of that key came along; or
    /// it is bound in another way than by the thumbprint of a key.
    #[error("the token is bound to a key of its client, which was not proven")]
    BoundToKey,
    /// The application's own claims are not what its type expects.
    #[error("the application's own claim `{claim}` is missing or not of the type that is expected")]
    Custom {
        /// The name of the claim; `another` if it is not known which.
        claim: Box<str>,
    },
    /// A claim that appears twice.
    #[error("duplicate claim `{claim}`")]
    Duplicate {
        /// The name of the claim; `another` if it is not one of the library's.
        claim: &'static str,
    },
    /// A `jti` or `sid` that is not of the form that this library writes.
    #[error("the claim `{claim}` does not have the required form")]
    Form {
        /// The name of the claim.
        claim: &'static str,
    },
    /// Not strict JSON in UTF-8.
    #[error("not strict JSON: {0}")]
    Json(JsonError),
    /// A claim that must be there.
    #[error("missing claim `{claim}`")]
    Missing {
        /// The name of the claim.
        claim: &'static str,
    },
    /// A name that is empty, too long or has a wrong character.
    #[error("the claim `{claim}` is not acceptable: {reason}")]
    Name {
        /// The name of the claim.
        claim: &'static str,
        /// What is wrong with it.
        reason: InvalidValue,
    },
    /// The claims of a refresh token that are not exactly those that this library writes.
    #[error("the claims are not those of a refresh token of this library")]
    OfRefreshToken,
    /// A time after the year 9999.
    #[error("the claim `{claim}` is not a time before the year 10000")]
    Time {
        /// The name of the claim.
        claim: &'static str,
    },
    /// A claim of the application's whose name has a meaning in tokens.
    #[error("the claim `{claim}` has a meaning in tokens; choose another name")]
    Reserved {
        /// The name of the claim.
        claim: &'static str,
    },
    /// The application's claims could not be written as JSON.
    #[error("the claims cannot be written as JSON")]
    Serialize,
    /// The application's claims are longer than 4,096 bytes.
    #[error("the claims have {length} bytes, and at most 4096 are carried")]
    TooLong {
        /// Their length, in bytes.
        length: usize,
    },
    /// A claim of the wrong JSON type.
    #[error("the claim `{claim}` is not of the right type")]
    Type {
        /// The name of the claim.
        claim: &'static str,
    },
    /// A claim that must have one certain text.
    #[error("the claim `{claim}` does not have the text that it must have")]
    Value {
        /// The name of the claim.
        claim: &'static str,
    },
}
