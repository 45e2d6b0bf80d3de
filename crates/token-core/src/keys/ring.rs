//! The signing keys of one issuer: next, current and previous.

use std::fmt;

use thiserror::Error;

use crate::keys::algorithm::Algorithm;
use crate::keys::private::SigningKey;
use crate::keys::public::VerifyingKey;
use crate::types::name::KeyId;

/// The keys of one issuer, as they rotate: `current` signs, `next` is already published so that
/// every verifier knows it before its first token, and `previous` verify what is still out there.
///
/// It changes by value: make the next ring, then put it in the place of the old one. When which
/// step is due, a [`Schedule`](crate::schedule::Schedule) says.
///
/// ```
/// use token_core::Entropy;
/// use token_core::{Algorithm, KeyRing, SigningKey};
///
/// let key = |byte| SigningKey::generate(Algorithm::EdDSA, Entropy::new([byte; 64]));
/// let ring = KeyRing::new(key(1)?).with_next(key(2)?)?;
/// let retiring = ring.current().id().clone();
/// let ring = ring.promote()?;
/// assert_eq!(ring.previous().len(), 1);
/// let ring = ring.retire(&retiring)?;
/// assert!(ring.previous().is_empty());
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
}

impl KeyRing {
    /// The most keys in one ring: far more than a sane schedule has at once.
    pub const MAX_KEYS: usize = 64;

    /// A ring of one key, which signs.
    pub fn new(current: SigningKey) -> Self {
        Self {
            header: current.verifying_key().token_header().into(),
            current,
            next: Vec::new(),
            previous: Vec::new(),
        }
    }

    /// Adds a key that will sign after [`Self::promote`], behind those that are there already.
    ///
    /// # Errors
    /// [`KeyRingError`] where it does not go with the others.
    pub fn with_next(mut self, key: SigningKey) -> Result<Self, KeyRingError> {
        self.next.push(key);
        self.checked()
    }

    /// Adds a key that signed before, and verifies until [`Self::retire`].
    ///
    /// # Errors
    /// [`KeyRingError`] where it does not go with the others.
    pub fn with_previous(mut self, key: VerifyingKey) -> Result<Self, KeyRingError> {
        self.previous.push(key);
        self.checked()
    }

    /// Lets the first of `next` sign from now on; `current` becomes the latest of the previous.
    ///
    /// Before: it was published for as long as anyone may keep a copy of the JWK set.
    ///
    /// # Errors
    /// [`KeyRingError::NoNext`].
    pub fn promote(mut self) -> Result<Self, KeyRingError> {
        if self.next.is_empty() {
            return Err(KeyRingError::NoNext);
        }
        let mut ring = Self::new(self.next.remove(0));
        ring.next = self.next;
        ring.previous = self.previous;
        ring.previous
            .insert(0, self.current.verifying_key().clone());
        Ok(ring)
    }

    /// Removes one of the next or of the previous. Tokens that it signed are refused from then on.
    ///
    /// Before: no token of it is still alive, unless it is removed because it leaked.
    ///
    /// # Errors
    /// [`KeyRingError::CurrentKey`] for the current one, which must be replaced first, and
    /// [`KeyRingError::UnknownKey`].
    pub fn retire(mut self, id: &KeyId) -> Result<Self, KeyRingError> {
        if self.current.id() == id {
            return Err(KeyRingError::CurrentKey { id: id.clone() });
        }
        let before = self.verifying_keys().count();
        self.next.retain(|key| key.id() != id);
        self.previous.retain(|key| key.id() != id);
        if self.verifying_keys().count() == before {
            return Err(KeyRingError::UnknownKey { id: id.clone() });
        }
        Ok(self)
    }

    /// The key that signs.
    pub fn current(&self) -> &SigningKey {
        &self.current
    }

    /// The keys that will sign, in that order. A second one is for the day on which the first
    /// must stand in at once.
    pub fn next(&self) -> &[SigningKey] {
        &self.next
    }

    /// The keys that signed before, the latest first.
    pub fn previous(&self) -> &[VerifyingKey] {
        &self.previous
    }

    /// All keys whose tokens are accepted: current, next, previous.
    pub fn verifying_keys(&self) -> impl Iterator<Item = &VerifyingKey> {
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

    fn checked(self) -> Result<Self, KeyRingError> {
        check_together(self.verifying_keys())?;
        Ok(self)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("current", &self.current)
            .field("next", &self.next)
            .field("previous", &self.previous)
            .finish_non_exhaustive()
    }
}

/// Whether the keys may serve one verifier together.
pub(crate) fn check_together<'a>(
    keys: impl Iterator<Item = &'a VerifyingKey>,
) -> Result<(), KeyRingError> {
    let mut seen: Vec<&VerifyingKey> = Vec::new();
    for key in keys {
        if seen.len() == KeyRing::MAX_KEYS {
            return Err(KeyRingError::TooMany);
        }
        for other in &seen {
            let id = || key.id().clone();
            if key.id() == other.id() {
                return Err(KeyRingError::DuplicateId { id: id() });
            }
            // > Moreover, each key MUST be used with exactly one algorithm, and this MUST be
            // > checked when the cryptographic operation is performed.
            // RFC 8725 section 3.1
            if key.fingerprint() == other.fingerprint() {
                return Err(if key.algorithm() == other.algorithm() {
                    KeyRingError::DuplicateKey { id: id() }
                } else {
                    KeyRingError::TwoAlgorithms {
                        algorithms: [other.algorithm(), key.algorithm()],
                    }
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

/// Keys that do not go together, or a step that is not possible.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyRingError {
    /// The key that signs cannot be removed.
    #[error("{id} signs at present; promote another key first")]
    CurrentKey {
        /// The key.
        id: KeyId,
    },
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
    /// Symmetric and asymmetric keys together.
    #[error("{id} mixes symmetric with asymmetric keys; use only one kind")]
    Mixed {
        /// The key that came last.
        id: KeyId,
    },
    /// There is no key to promote.
    #[error("there is no next key; add one with `with_next` first")]
    NoNext,
    /// More than [`KeyRing::MAX_KEYS`].
    #[error("there are more than {} keys; retire old ones", KeyRing::MAX_KEYS)]
    TooMany,
    /// One key under two algorithms.
    #[error("one key serves {} and {}; make a key for each algorithm", algorithms[0], algorithms[1])]
    TwoAlgorithms {
        /// Both.
        algorithms: [Algorithm; 2],
    },
    /// No such key.
    #[error("there is no key {id}")]
    UnknownKey {
        /// What was asked for.
        id: KeyId,
    },
}
