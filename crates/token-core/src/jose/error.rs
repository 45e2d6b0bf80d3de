//! Why a text is not a token that is looked at any further.

use thiserror::Error;

use crate::jose::json::JsonError;

/// Text that is not a JWS in compact form, or whose header is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FormError {
    /// A byte outside of base64url and the dot.
    #[error("byte {position} is neither base64url nor a dot")]
    Character {
        /// The position of the byte, from 0.
        position: usize,
    },
    /// `zip`: compressed content.
    #[error("the content is compressed")]
    Compressed,
    /// `cty`: a token within the token.
    #[error("the content has a type of its own")]
    ContentType,
    /// `crit`: extensions that must be understood; there is none that is.
    #[error("the header has critical extensions")]
    Critical,
    /// A member of the header that appears twice.
    #[error("duplicate member `{member}` in the header")]
    Duplicate {
        /// The name of the member.
        member: &'static str,
    },
    /// A part without a character.
    #[error("the {part} is empty")]
    Empty {
        /// `header`, `payload` or `signature`.
        part: &'static str,
    },
    /// A part that does not decode, or that an encoder would have written differently.
    #[error("the {part} is not canonical base64url")]
    Encoding {
        /// `header`, `payload` or `signature`.
        part: &'static str,
    },
    /// `enc` and what goes with it: an encrypted token.
    #[error("it is an encrypted token")]
    Encrypted,
    /// The header is not a JSON object in UTF-8.
    #[error("the header is not strict JSON: {0}")]
    Json(JsonError),
    /// A member that has a key, or points to one.
    #[error("the member `{member}` has a key or points to one")]
    KeyReference {
        /// The name of the member.
        member: &'static str,
    },
    /// The header lacks a member that it must have.
    #[error("missing member `{member}` in the header")]
    Missing {
        /// The name of the member.
        member: &'static str,
    },
    /// More or fewer than three parts.
    #[error("it has {count} parts instead of 3")]
    Parts {
        /// How many it has.
        count: usize,
    },
    /// Too long to be looked at.
    #[error("it has {length} bytes, and at most 8192 are looked at")]
    TooLong {
        /// Its length, in bytes.
        length: usize,
    },
    /// A member of the header that is not a string.
    #[error("the member `{member}` is not a string")]
    Type {
        /// The name of the member.
        member: &'static str,
    },
    /// `b64`: content that is not encoded (RFC 7797).
    #[error("the content is not encoded")]
    Unencoded,
    /// A member of the header that is not known.
    #[error("unknown member in the header")]
    UnknownMember,
}
