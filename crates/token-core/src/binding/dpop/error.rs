//! Why a proof is refused: one variant for each rule.

use thiserror::Error;

use crate::binding::dpop::htu::TargetPart;
use crate::jose::error::FormError;
use crate::jose::json::JsonError;
use crate::types::time::UnixTime;

/// The rule that a proof breaks. For logs: it has evidence, and nothing of the proof but its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProofError {
    /// `alg` is none of [`ALGORITHMS`](super::ALGORITHMS), or does not go with the key.
    #[error("`alg` is not an accepted algorithm of the key in `jwk`")]
    Algorithm,
    /// A member of the header, of the key or of the claims that appears twice.
    #[error("duplicate member `{member}` in the {part}")]
    Duplicate {
        /// `header`, `key` or `payload`.
        part: &'static str,
        /// The name of the member.
        member: &'static str,
    },
    /// It is older than is accepted.
    #[error("it is {now}, and the proof was made at {issued}, longer ago than is accepted")]
    Expired {
        /// The caller's time.
        now: UnixTime,
        /// `iat`.
        issued: UnixTime,
    },
    /// Not a JWS in compact form.
    #[error("form: {0}")]
    Form(#[from] FormError),
    /// Its time is in the future by more than is accepted.
    #[error("it is {now}, and the proof says that it was made at {issued}")]
    InFuture {
        /// The caller's time.
        now: UnixTime,
        /// `iat`.
        issued: UnixTime,
    },
    /// The header or the claims are not strict JSON in UTF-8.
    #[error("the {part} is not strict JSON: {error}")]
    Json {
        /// `header`, `key` or `payload`.
        part: &'static str,
        /// What is wrong with it.
        error: JsonError,
    },
    /// The key is not a point of its curve, or of small order.
    #[error("the key in `jwk` is not a usable point of its curve")]
    Key,
    /// `htm` is not the method of the request.
    #[error("`htm` is not the method of the request")]
    Method,
    /// A member that must be there.
    #[error("missing member `{member}` in the {part}")]
    Missing {
        /// `header`, `key` or `payload`.
        part: &'static str,
        /// The name of the member.
        member: &'static str,
    },
    /// The server demands a nonce, and this one is missing or too old: the client asks again with the
    /// current one.
    #[error("the nonce is missing, or none that is accepted now")]
    Nonce,
    /// The key comes with its private part, which is a key that leaked.
    #[error("the key in `jwk` has a private or symmetric part")]
    PrivateKey,
    /// The signature is not that of the key.
    #[error("the signature is not that of the key in `jwk`")]
    Signature,
    /// `htu` is another address than the one that was asked.
    #[error("`htu` has another {0} than the request")]
    Target(TargetPart),
    /// `ath` is not the hash of the access token that came along.
    #[error("`ath` is not the hash of the access token")]
    TokenHash,
    /// A member of another JSON type or of another form than it must have.
    #[error("the member `{member}` of the {part} is not of the required form")]
    Type {
        /// `header`, `key` or `payload`.
        part: &'static str,
        /// The name of the member.
        member: &'static str,
    },
    /// A member that is not known.
    #[error("unknown member in the {part}")]
    UnknownMember {
        /// `header`, `key` or `payload`.
        part: &'static str,
    },
    /// `typ` is not `dpop+jwt`.
    #[error("`typ` is not `dpop+jwt`")]
    WrongType,
}
