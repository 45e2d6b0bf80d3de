//! Identifiers made of random bits: sessions, access tokens, and the buckets that shard them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::jose::base64url;
use crate::jose::json::Text;
use crate::types::invalid::InvalidValue;
use crate::types::secret::{Entropy, decode_exact};
use crate::types::stored::bytes;

bytes! {
    /// The identifier of a session: a [`Bucket`] and 136 random bits, written as 24 characters of
    /// base64url. It names a session and proves nothing, so it may stand in lists, in logs and in the
    /// `sid` claim.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
    SessionId, 18
}

impl SessionId {
    /// The length of an identifier, in bytes.
    pub const LENGTH: usize = 18;

    /// The bucket of the session's subject, so that a store finds the shard by the id alone.
    pub const fn bucket(&self) -> Bucket {
        let [bucket, ..] = self.0;
        Bucket(bucket)
    }

    /// Its text.
    pub(crate) fn encode<'b>(&self, text: &'b mut [u8; 24]) -> &'b str {
        base64url::encode_into(&self.0, text)
    }

    pub(crate) fn new(bucket: Bucket, random: [u8; Self::LENGTH - 1]) -> Self {
        let mut bytes = [bucket.0; Self::LENGTH];
        let [_, rest @ ..] = &mut bytes;
        *rest = random;
        Self(bytes)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.encode(&mut [0; 24]))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

impl FromStr for SessionId {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        decode_exact("SessionId", text).map(Self)
    }
}

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?;
        text.0.parse().map_err(serde::de::Error::custom)
    }
}

/// The shard of a subject: one byte of a keyed hash of its name, which a store computes. All sessions of
/// one subject share it, so that a Redis Cluster keeps them in one hash slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bucket(pub u8);

bytes! {
    /// The `jti` of an access token: 128 random bits, 22 characters of base64url
    /// ([RFC 7519 section 4.1.7](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.7)).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    TokenId, 16
}

impl TokenId {
    /// A new identifier from the caller's entropy.
    pub(crate) fn new<const N: usize>(entropy: Entropy<N>) -> Self {
        let (id, []) = entropy.split::<16, 0>();
        drop(entropy);
        Self(id)
    }

    /// Its text.
    pub(crate) fn encode<'b>(&self, text: &'b mut [u8; 22]) -> &'b str {
        base64url::encode_into(&self.0, text)
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.encode(&mut [0; 22]))
    }
}

impl FromStr for TokenId {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        decode_exact("TokenId", text).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_begins_with_the_bucket_of_its_subject() {
        let bucket = Bucket(9);
        let id = SessionId::new(bucket, [7; 17]);
        assert_eq!(id.bucket(), bucket);
        assert_eq!(id.to_string().parse::<SessionId>().unwrap(), id);
        assert!("".parse::<SessionId>().is_err());
        assert!("A".repeat(23).parse::<SessionId>().is_err());
        assert!("A".repeat(25).parse::<SessionId>().is_err());
        assert!("+".repeat(24).parse::<SessionId>().is_err());
    }
}
