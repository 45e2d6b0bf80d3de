//! The keys that another issuer publishes.

use serde::Deserialize;

use crate::foreign::profile::Profile;
use crate::jose::json::Text;
use crate::keys::error::KeyError;
use crate::keys::public::VerifyingKey;
use crate::keys::set::JwkSet;
use crate::types::name::KeyId;

/// The keys of a JWK set, as a profile reads them, admitted one by one.
///
/// ```
/// use token_core::foreign::{ForeignKeys, Profile};
///
/// // Microsoft writes no `alg`, and Google writes one for each key.
/// let set = r#"{"keys":[{"kty":"RSA","use":"sig","kid":"k1","e":"AQAB","n":"…"}]}"#;
/// # let jwk = include_str!("../../tests/vectors/rfc7515.json");
/// # let jwk: serde_json::Value = serde_json::from_str(jwk)?;
/// # let n = jwk["vectors"][1]["key"]["n"].as_str().unwrap_or_default();
/// # let set = &set.replace('…', n);
/// assert_eq!(ForeignKeys::parse(set, &Profile::ENTRA_ID)?.keys().len(), 1);
/// assert_eq!(ForeignKeys::parse(set, &Profile::GOOGLE)?.refused().len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ForeignKeys {
    keys: Vec<VerifyingKey>,
    refused: Vec<(usize, KeyError)>,
    /// For which issuers the key with this id may sign, if the set says so.
    issuers: Vec<(KeyId, Box<str>)>,
}

impl ForeignKeys {
    /// Reads a JWK set. Keys of algorithms that the profile does not name are refused, and so is
    /// everything that [`JwkSet`] refuses.
    ///
    /// # Errors
    /// [`KeyError`] if the document as a whole is not a JWK set, or too large.
    pub fn parse(json: &str, profile: &Profile) -> Result<Self, KeyError> {
        let wanted = profile.algorithms;
        let mut issuers = Vec::new();
        let set = JwkSet::parse_with(json, |jwk| {
            let key = VerifyingKey::from_jwk_as(jwk, profile.default_algorithm)?;
            let algorithm = key.algorithm();
            let is_wanted = wanted.iter().any(|own| own.is_same_as(algorithm));
            if !wanted.is_empty() && !is_wanted {
                return Err(KeyError::NotChosen { algorithm });
            }
            // A restriction that cannot be read does not count as absent.
            let restricted: Restricted<'_> =
                serde_json::from_str(jwk).map_err(|_| KeyError::Type { member: "issuer" })?;
            if let Some(issuer) = restricted.issuer {
                issuers.push((key.id().clone(), issuer.0.into()));
            }
            Ok(key)
        })?;
        Ok(Self {
            keys: set.keys,
            refused: set.refused,
            issuers,
        })
    }

    /// Keys that you have in another form, such as PEM.
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a VerifyingKey>) -> Self {
        Self {
            keys: keys.into_iter().cloned().collect(),
            refused: Vec::new(),
            issuers: Vec::new(),
        }
    }

    /// The usable keys, in the order of the document.
    pub fn keys(&self) -> &[VerifyingKey] {
        &self.keys
    }

    /// The others, for the log: the place in the document, from 0, and the rule that the key breaks.
    pub fn refused(&self) -> &[(usize, KeyError)] {
        &self.refused
    }

    /// The issuers for which a key may sign; none if the set does not restrict it.
    pub(super) fn issuers_of(&self, key: &VerifyingKey) -> Box<[Box<str>]> {
        let own = self.issuers.iter().filter(|(id, _)| id == key.id());
        own.map(|(_, issuer)| issuer.clone()).collect()
    }
}

/// Microsoft publishes keys of several issuers in one set, and says of each whose it is.
#[derive(Deserialize)]
struct Restricted<'a> {
    #[serde(borrow)]
    issuer: Option<Text<'a>>,
}
