//! Sets of public keys, as issuers publish them.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::jose::json::{JsonError, Text};
use crate::keys::error::KeyError;
use crate::keys::public::VerifyingKey;

/// The public keys of a JWK set ([RFC 7517 section 5](https://www.rfc-editor.org/rfc/rfc7517#section-5)),
/// admitted one by one: a bad key is refused with its reason and does not spoil the rest.
///
/// ```
/// use token_core::keys::JwkSet;
///
/// let set = JwkSet::parse(
///     r#"{"keys":[
///         {"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
///         {"kty":"oct","alg":"HS256","k":"c2VjcmV0"}
///     ]}"#,
/// )?;
/// assert_eq!(set.keys().len(), 1);
/// assert_eq!(set.refused().len(), 1);
/// # Ok::<(), token_core::keys::JwkSetError>(())
/// ```
#[derive(Clone, Debug)]
pub struct JwkSet {
    keys: Vec<VerifyingKey>,
    refused: Vec<RefusedKey>,
}

impl JwkSet {
    /// The longest document that is read, in bytes.
    pub const MAX_LENGTH: usize = 256 * 1024;
    /// The most keys that are read.
    pub const MAX_KEYS: usize = 64;

    /// Reads a set. It may turn out to have no usable key.
    ///
    /// # Errors
    /// [`JwkSetError`] where the document as a whole is not a JWK set, or too large.
    pub fn parse(json: &str) -> Result<Self, JwkSetError> {
        if json.len() > Self::MAX_LENGTH {
            return Err(JwkSetError::TooLong { length: json.len() });
        }
        let Document(members) = serde_json::from_str(json).map_err(|error| {
            if error.is_data() {
                JwkSetError::NoKeys
            } else {
                JwkSetError::Json(JsonError::from(&error))
            }
        })?;
        // > The member names within a JWK Set MUST be unique; JWK Set parsers MUST either reject JWK Sets
        // > with duplicate member names or use a JSON parser that returns only the lexically last
        // > duplicate member name [...].
        // RFC 7517 section 5. A key that repeats a member spoils only itself, below.
        let mut names = HashSet::new();
        if !members.iter().all(|(name, _)| names.insert(&*name.0)) {
            return Err(JwkSetError::Json(JsonError::DuplicateMember));
        }
        let keys = members.iter().find(|(name, _)| name.0 == "keys");
        let keys =
            keys.and_then(|(_, keys)| serde_json::from_str::<Vec<&RawValue>>(keys.get()).ok());
        let document = keys.ok_or(JwkSetError::NoKeys)?;
        if document.len() > Self::MAX_KEYS {
            return Err(JwkSetError::TooMany {
                count: document.len(),
            });
        }
        // > Implementations SHOULD ignore JWKs within a JWK Set that use "kty" (key type) values
        // > that are not understood by them, that are missing required members, or for which
        // > values are out of the supported ranges.
        // RFC 7517 section 5
        let mut keys: Vec<(usize, VerifyingKey)> = Vec::new();
        let mut refused = Vec::new();
        for (index, jwk) in document.iter().enumerate() {
            match VerifyingKey::from_jwk(jwk.get()) {
                Ok(key) => keys.push((index, key)),
                Err(reason) => refused.push(RefusedKey { index, reason }),
            }
        }
        // > When "kid" values are used within a JWK Set, different keys within the JWK Set SHOULD
        // > use distinct "kid" values.
        // RFC 7517 section 4.5. Which of two is meant cannot be told, and one key must not serve
        // two algorithms, so all that share an id or a key are refused.
        let twice = |(index, key): &(usize, VerifyingKey)| {
            keys.iter().any(|(other_index, other)| {
                index != other_index
                    && (key.id() == other.id() || key.fingerprint() == other.fingerprint())
            })
        };
        let duplicates: Vec<usize> = keys
            .iter()
            .filter(|key| twice(key))
            .map(|key| key.0)
            .collect();
        refused.extend(duplicates.iter().map(|index| RefusedKey {
            index: *index,
            reason: KeyError::Duplicate,
        }));
        refused.sort_by_key(|refused| refused.index);
        keys.retain(|(index, _)| !duplicates.contains(index));
        Ok(Self {
            keys: keys.into_iter().map(|(_, key)| key).collect(),
            refused,
        })
    }

    /// The usable keys, in the order of the document.
    pub fn keys(&self) -> &[VerifyingKey] {
        &self.keys
    }

    /// The others, for the log.
    pub fn refused(&self) -> &[RefusedKey] {
        &self.refused
    }
}

/// The members of the document, as they stand there.
struct Document<'a>(Vec<(Text<'a>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Document<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Document<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Document(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// A key of a set that is not used, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("key {index} of the set is refused: {reason}")]
#[non_exhaustive]
pub struct RefusedKey {
    /// Where it stands in `keys`, from 0.
    pub index: usize,
    /// The rule that it breaks.
    pub reason: KeyError,
}

/// A document that is not a JWK set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JwkSetError {
    /// Not JSON, or with a member twice.
    #[error("the JWK set is not strict JSON: {0}")]
    Json(JsonError),
    /// Not an object with one array `keys`.
    #[error("the JWK set is not an object with one array \"keys\"")]
    NoKeys,
    /// Longer than is read.
    #[error(
        "the JWK set has {length} bytes, and at most {} are read",
        JwkSet::MAX_LENGTH
    )]
    TooLong {
        /// Its length, in bytes.
        length: usize,
    },
    /// More keys than are read.
    #[error(
        "the JWK set has {count} keys, and at most {} are read",
        JwkSet::MAX_KEYS
    )]
    TooMany {
        /// How many.
        count: usize,
    },
}
