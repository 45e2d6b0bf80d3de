//! The signing keys of one issuer: next, current and previous.

use std::fmt;

use thiserror::Error;

use crate::keys::algorithm::Algorithm;
use crate::keys::error::MAX_KEYS;
use crate::keys::private::SigningKey;
use crate::keys::public::VerifyingKey;
use crate::keys::recipients::Recipients;
use crate::types::name::{Audience, ClientId, KeyId};

/// The keys of one issuer, as they rotate: `current` signs, `next` is already published so that
/// every verifier knows it before its first token, and `previous` verify what is still out there.
///
/// A ring never changes: make another, then put it in the place of the old one. A
/// `Schedule` of `token-session` makes them by the clock.
///
/// ```
/// use token_core::keys::KeyRingError;
/// use token_core::{KeyRing, SigningKey};
///
/// /// Publish the new key first, sign with it once every verifier has it, and drop the old one as soon
/// /// as its last token has expired.
/// fn rings(old: SigningKey, new: SigningKey) -> Result<[KeyRing; 3], KeyRingError> {
///     let published = KeyRing::new(old.clone()).with_next(new.clone())?;
///     let promoted = KeyRing::new(new.clone()).with_previous(old.verifying_key().clone())?;
///     let retired = KeyRing::new(new);
///     Ok([published, promoted, retired])
/// }
/// # use token_core::{Algorithm, Entropy};
/// # let key = |byte| SigningKey::generate(Algorithm::EdDSA, Entropy::new([byte; 64]));
/// # let [published, promoted, _] = rings(key(1)?, key(2)?)?;
/// # assert_eq!([published, promoted].map(|ring| ring.verifying_keys().count()), [2, 2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct KeyRing {
    current: SigningKey,
    /// The encoded header of every token that `current` signs.
    header: Box<str>,
    next: Vec<SigningKey>,
    previous: Vec<VerifyingKey>,
    /// Empty unless some services need another algorithm. The rings in it have no others.
    others: Vec<(Recipients, KeyRing)>,
}

impl KeyRing {
    /// A ring of one key, which signs.
    pub fn new(current: SigningKey) -> Self {
        Self {
            header: current.verifying_key().token_header().into(),
            current,
            next: Vec::new(),
            previous: Vec::new(),
            others: Vec::new(),
        }
    }

    /// Adds a key that will sign later, behind those that are there already. A second one is for the day on which
    /// the first must stand in at once.
    ///
    /// # Errors
    /// [`KeyRingError`] if it does not go with the others.
    pub fn with_next(mut self, key: SigningKey) -> Result<Self, KeyRingError> {
        self.next.push(key);
        self.checked()
    }

    /// Adds a key that signed before and still verifies, behind those that are there already.
    ///
    /// # Errors
    /// [`KeyRingError`] if it does not go with the others.
    pub fn with_previous(mut self, key: VerifyingKey) -> Result<Self, KeyRingError> {
        self.previous.push(key);
        self.checked()
    }

    /// Lets other keys sign the tokens of these clients and for these audiences, whose services do not read the
    /// algorithm of the others. All are published together, and tokens of all are accepted, whichever key signed
    /// them. Keys for nobody are published ahead. What `keys` has for others is kept.
    ///
    /// ```
    /// use token_core::keys::{KeyRingError, Recipients};
    /// use token_core::{ClientId, KeyRing};
    ///
    /// /// The tokens of one client have another algorithm.
    /// fn for_one(client: ClientId, own: KeyRing, all: KeyRing) -> Result<KeyRing, KeyRingError> {
    ///     let clients = vec![client];
    ///     all.with_recipients(Recipients { clients, ..Recipients::default() }, own)
    /// }
    /// # use token_core::{Algorithm, Entropy, SigningKey};
    /// # let ring = |byte| SigningKey::generate(Algorithm::EdDSA, Entropy::new([byte; 64])).map(KeyRing::new);
    /// # let ring = for_one("old".parse()?, ring(1)?, ring(2)?)?;
    /// # assert_eq!(ring.signing_keys().count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`KeyRingError`] if the keys do not go together, or if a client or an audience has other keys already.
    pub fn with_recipients(
        mut self,
        recipients: Recipients,
        mut keys: Self,
    ) -> Result<Self, KeyRingError> {
        let others = std::mem::take(&mut keys.others);
        for added in std::iter::once((recipients, keys)).chain(others) {
            let mut there = self.others.iter();
            if let Some(recipient) = there.find_map(|(there, _)| added.0.shared(there)) {
                return Err(KeyRingError::DuplicateRecipient { recipient });
            }
            self.others.push(added);
        }
        self.checked()
    }

    /// The keys that sign for this client at this audience: itself, unless there are others. Those of the client
    /// go before those of the audience.
    pub(crate) fn for_recipient(&self, client: &ClientId, audience: &Audience) -> &Self {
        let others = || self.others.iter();
        let other = others()
            .find(|(recipients, _)| recipients.clients.contains(client))
            .or_else(|| others().find(|(recipients, _)| recipients.audiences.contains(audience)));
        other.map_or(self, |(_, keys)| keys)
    }

    /// For whom there are other keys.
    pub fn recipients(&self) -> impl Iterator<Item = &Recipients> {
        self.others.iter().map(|(recipients, _)| recipients)
    }

    /// The key that signs, but for whom there are others.
    pub fn current(&self) -> &SigningKey {
        &self.current
    }

    /// The keys that sign now: the current one, and those for some recipients.
    pub fn signing_keys(&self) -> impl Iterator<Item = &SigningKey> {
        let others = self.others.iter().map(|(_, keys)| &keys.current);
        std::iter::once(&self.current).chain(others)
    }

    /// All keys whose tokens are accepted: current, next, previous, and then those for some recipients.
    pub fn verifying_keys(&self) -> impl Iterator<Item = &VerifyingKey> {
        let others = self.others.iter();
        self.own_keys()
            .chain(others.flat_map(|(_, keys)| keys.own_keys()))
    }

    fn own_keys(&self) -> impl Iterator<Item = &VerifyingKey> {
        let signing = std::iter::once(&self.current).chain(&self.next);
        signing.map(SigningKey::verifying_key).chain(&self.previous)
    }

    /// The public JWK set ([RFC 7517 section 5](https://www.rfc-editor.org/rfc/rfc7517#section-5)),
    /// for anyone to read. It has no symmetric key and no private member: of a symmetric ring it is empty.
    pub fn jwks(&self) -> String {
        let keys: Vec<String> = self
            .verifying_keys()
            .filter_map(VerifyingKey::to_jwk)
            .collect();
        format!(r#"{{"keys":[{}]}}"#, keys.join(","))
    }

    /// The encoded header of every token of the current key.
    pub(crate) fn header(&self) -> &str {
        &self.header
    }

    /// Stricter than a verifier has to be: a key of one's own is replaced and removed by its id, so it
    /// has one id, and no other key has that.
    fn checked(self) -> Result<Self, KeyRingError> {
        check_together(self.verifying_keys())?;
        let keys: Vec<&VerifyingKey> = self.verifying_keys().collect();
        for (index, key) in keys.iter().enumerate() {
            for other in keys.iter().take(index) {
                let id = || key.id().clone();
                if key.id() == other.id() {
                    return Err(KeyRingError::DuplicateId { id: id() });
                }
                if key.fingerprint() == other.fingerprint() {
                    return Err(KeyRingError::DuplicateKey { id: id() });
                }
            }
        }
        Ok(self)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("current", &self.current)
            .field("next", &self.next)
            .field("previous", &self.previous)
            .field("others", &self.others)
            .finish_non_exhaustive()
    }
}

/// Whether the keys may serve one verifier together.
pub(crate) fn check_together<'a>(
    keys: impl Iterator<Item = &'a VerifyingKey>,
) -> Result<(), KeyRingError> {
    let mut seen: Vec<&VerifyingKey> = Vec::new();
    for key in keys {
        if seen.len() == MAX_KEYS {
            return Err(KeyRingError::TooMany);
        }
        for other in &seen {
            let id = || key.id().clone();
            if key.conflicts_with(other) {
                return Err(if key.fingerprint() == other.fingerprint() {
                    KeyRingError::TwoAlgorithms {
                        algorithms: [other.algorithm(), key.algorithm()],
                    }
                } else {
                    KeyRingError::DuplicateId { id: id() }
                });
            }
            // The classic confusion takes a public key for an HMAC secret (RFC 8725 section 2.1).
            // With one kind only in a ring, there is nothing to confuse.
            if key.algorithm().is_symmetric() != other.algorithm().is_symmetric() {
                return Err(KeyRingError::Mixed { id: id() });
            }
        }
        seen.push(key);
    }
    Ok(())
}

/// Keys that do not go together.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyRingError {
    /// Two keys with one id.
    #[error("two keys have the id {id}; give each its own")]
    DuplicateId {
        /// Their id.
        id: KeyId,
    },
    /// One key under two ids.
    #[error("the key {id} is already there under another id; remove one of them")]
    DuplicateKey {
        /// The second id.
        id: KeyId,
    },
    /// A client or an audience that has keys of its own already.
    #[error("the {recipient} has other keys already; name it once")]
    DuplicateRecipient {
        /// Such as `client reports`.
        recipient: String,
    },
    /// Symmetric and asymmetric keys together.
    #[error("{id} mixes symmetric with asymmetric keys; use only one kind")]
    Mixed {
        /// The key that came last.
        id: KeyId,
    },
    /// More than 64 keys.
    #[error("there are more than {MAX_KEYS} keys; remove old ones")]
    TooMany,
    /// One key under two algorithms.
    #[error("one key serves {} and {}; make a key for each algorithm", algorithms[0], algorithms[1])]
    TwoAlgorithms {
        /// The two algorithms.
        algorithms: [Algorithm; 2],
    },
}
