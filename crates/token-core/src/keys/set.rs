//! Sets of public keys, as issuers publish them.

use std::collections::HashSet;

use serde_json::value::RawValue;

use crate::jose::json::{self, JsonError, Text};
use crate::keys::algorithm::{Algorithm, Family};
use crate::keys::error::{KeyError, MAX_KEYS};
use crate::keys::pem;
use crate::keys::public::VerifyingKey;

/// The public keys of a JWK set ([RFC 7517 section 5](https://www.rfc-editor.org/rfc/rfc7517#section-5)),
/// admitted one by one: a bad key is refused with its reason and does not spoil the rest.
///
/// ```
/// use token_core::Algorithm;
/// use token_core::keys::JwkSet;
///
/// let set = JwkSet::parse(
///     r#"{"keys":[
///         {"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
///         {"kty":"oct","alg":"HS256","k":"c2VjcmV0"}
///     ]}"#,
///     &[Algorithm::EdDSA, Algorithm::ES256],
/// )?;
/// assert_eq!(set.keys.len(), 1);
/// assert_eq!(set.refused.len(), 1);
/// # Ok::<(), token_core::keys::KeyError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct JwkSet {
    /// The usable keys, in the order of the document.
    pub keys: Vec<VerifyingKey>,
    /// The others, for the log: the place in `keys`, from 0, and the rule that the key breaks.
    pub refused: Vec<(usize, KeyError)>,
}

impl JwkSet {
    /// The longest document that is read, in bytes.
    pub(super) const MAX_LENGTH: usize = 256 * 1024;

    /// Reads a set of which only keys of these algorithms are believed, or of all ([`Algorithm::ALL`]). If exactly
    /// one of them is an algorithm of RSA, an RSA key without `alg` serves that one. It may turn out that no key
    /// is usable.
    ///
    /// # Errors
    /// [`KeyError`] if the document as a whole is not a JWK set, or too large.
    pub fn parse(json: &str, algorithms: &[Algorithm]) -> Result<Self, KeyError> {
        let is_rsa = |algorithm: &&Algorithm| matches!(algorithm.family(), Family::Rsa(_));
        let mut rsa = algorithms.iter().filter(is_rsa);
        let default = rsa.next().filter(|_| rsa.next().is_none());
        Self::parse_with(json, |jwk| {
            let key = VerifyingKey::from_jwk_as(jwk, default.copied())?;
            let algorithm = key.algorithm();
            if algorithms.iter().any(|own| own.is_same_as(algorithm)) {
                Ok(key)
            } else {
                Err(KeyError::NotChosen { algorithm })
            }
        })
    }

    /// Reads a set whose keys are admitted one by one.
    pub(crate) fn parse_with(
        json: &str,
        mut admit: impl FnMut(&str) -> Result<VerifyingKey, KeyError>,
    ) -> Result<Self, KeyError> {
        if json.len() > Self::MAX_LENGTH {
            return Err(KeyError::SetTooLong { length: json.len() });
        }
        pem::refuse_byte_order_mark(json)?;
        let members: Vec<(Text<'_>, &RawValue)> =
            json::members(json).map_err(|error| match error {
                JsonError::NotAnObject => KeyError::NotASet,
                error => KeyError::Json(error),
            })?;
        // > The member names within a JWK Set MUST be unique; JWK Set parsers MUST either reject JWK Sets
        // > with duplicate member names or use a JSON parser that returns only the lexically last
        // > duplicate member name [...].
        // RFC 7517 section 5. A key that repeats a member spoils only itself, below.
        let mut names = HashSet::new();
        if !members.iter().all(|(name, _)| names.insert(&*name.0)) {
            return Err(KeyError::Json(JsonError::DuplicateMember));
        }
        let keys = members.iter().find(|(name, _)| name.0 == "keys");
        let keys =
            keys.and_then(|(_, keys)| serde_json::from_str::<Vec<&RawValue>>(keys.get()).ok());
        let document = keys.ok_or(KeyError::NotASet)?;
        if document.len() > MAX_KEYS {
            return Err(KeyError::TooManyKeys {
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
            match admit(jwk.get()) {
                Ok(key) => keys.push((index, key)),
                Err(reason) => refused.push((index, reason)),
            }
        }
        // A key that is in the set again, with the same id and algorithm, is one key.
        let mut once: Vec<(usize, VerifyingKey)> = Vec::new();
        for key in keys {
            if !once.iter().any(|(_, other)| key.1.is_same(other)) {
                once.push(key);
            }
        }
        // If it cannot be told which key a token means, or if one key serves two algorithms, all of
        // them are refused.
        let conflicts: Vec<usize> = once
            .iter()
            .filter(|(_, key)| once.iter().any(|(_, other)| key.conflicts_with(other)))
            .map(|key| key.0)
            .collect();
        refused.extend(conflicts.iter().map(|index| (*index, KeyError::Duplicate)));
        refused.sort_by_key(|refused| refused.0);
        once.retain(|(index, _)| !conflicts.contains(index));
        Ok(Self {
            keys: once.into_iter().map(|(_, key)| key).collect(),
            refused,
        })
    }
}
