//! Keys that sign.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsBigEndian, AsDer, Curve25519SeedBin, EcPrivateKeyBin, Pkcs8V1Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair};
use jsonwebtoken::EncodingKey;
use zeroize::Zeroizing;

use crate::jose::base64url;
use crate::keys::algorithm::{Algorithm, Curve, Family, RsaParameters};
use crate::keys::error::{IssueError, KeyError};
use crate::keys::public::VerifyingKey;
use crate::keys::{der, pem};
use crate::types::name::KeyId;
use crate::types::secret::Entropy;

/// A key that signs access tokens with exactly one algorithm.
///
/// ```
/// use token_core::Entropy;
/// use token_core::{Algorithm, SigningKey};
///
/// let key = SigningKey::generate(Algorithm::EdDSA, Entropy::new([7; 64]))?;
/// assert_eq!(key.algorithm(), Algorithm::EdDSA);
/// let stored = key.to_private_jwk()?;
/// assert_eq!(SigningKey::from_jwk(&stored)?.id(), key.id());
/// # Ok::<(), token_core::keys::KeyError>(())
/// ```
///
/// It cannot be serialised by accident, nor printed:
///
/// ```compile_fail,E0277
/// fn write(key: &token_core::SigningKey) -> String {
///     serde_json::to_string(key).unwrap()
/// }
/// ```
/// ```compile_fail,E0277
/// fn print(key: &token_core::SigningKey) {
///     println!("{key}");
/// }
/// ```
#[derive(Clone)]
pub struct SigningKey {
    private: Arc<Private>,
    public: VerifyingKey,
}

#[expect(clippy::large_enum_variant, reason = "only ever behind an `Arc`")]
enum Private {
    Ec(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    /// In a KMS or HSM, which signs.
    Elsewhere,
    Hmac {
        key: hmac::Key,
        secret: Zeroizing<Vec<u8>>,
    },
    Rsa(RsaKeyPair, RsaParameters),
}

impl SigningKey {
    /// A new key. `EdDSA` and HMAC keys are made of the given bytes; for EC and RSA, aws-lc draws
    /// from its own generator, the only place in this crate that does besides EC and PSS signatures.
    /// RSA keys get 2,048 bits for SHA-256, 3,072 for SHA-384 and 4,096 for SHA-512.
    ///
    /// # Errors
    /// [`KeyError::Generation`] if aws-lc fails, for lack of memory for instance.
    #[expect(clippy::needless_pass_by_value, reason = "entropy is used up")]
    pub fn generate(algorithm: Algorithm, entropy: Entropy) -> Result<Self, KeyError> {
        let failed = |_| KeyError::Generation;
        match algorithm.family() {
            Family::Ec(curve) => {
                let pair = EcdsaKeyPair::generate(curve.sign).map_err(failed)?;
                Self::ec(algorithm, pair, curve)
            }
            Family::Ed25519 => {
                let (seed, []) = entropy.split::<32, 0>();
                let pair = Ed25519KeyPair::from_seed_unchecked(&*Zeroizing::new(seed));
                Self::ed25519(algorithm, pair.map_err(|_| KeyError::Generation)?)
            }
            Family::Hmac(parameters) => {
                let (secret, _) = entropy.split::<64, 0>();
                let secret = Zeroizing::new(secret);
                let secret = secret.get(..parameters.min_bytes).unwrap_or(&*secret);
                Self::from_secret(secret, algorithm)
            }
            Family::Rsa(parameters) => {
                let size = match algorithm {
                    Algorithm::PS384 | Algorithm::RS384 => KeySize::Rsa3072,
                    Algorithm::PS512 | Algorithm::RS512 => KeySize::Rsa4096,
                    _ => KeySize::Rsa2048,
                };
                let pair = RsaKeyPair::generate(size).map_err(failed)?;
                Self::rsa(algorithm, pair, parameters)
            }
        }
    }

    /// Reads a private key in PEM: `PRIVATE KEY` (PKCS#8), or `RSA PRIVATE KEY`. Its id
    /// is its thumbprint.
    ///
    /// # Errors
    /// [`KeyError`] for anything else, an encrypted key among it, and for weak keys.
    pub fn from_pem(pem: &str, algorithm: Algorithm) -> Result<Self, KeyError> {
        let form = KeyError::Form {
            algorithm,
            expected: "one PEM block \"PRIVATE KEY\" (`openssl pkcs8 -topk8 -nocrypt` makes it)",
        };
        pem::check(pem, "PRIVATE KEY", form)?;
        let key = match algorithm.family() {
            Family::Ec(_) => EncodingKey::from_ec_pem(pem.as_bytes()),
            Family::Ed25519 => EncodingKey::from_ed_pem(pem.as_bytes()),
            Family::Hmac(_) => return Err(form),
            Family::Rsa(_) => EncodingKey::from_rsa_pem(pem.as_bytes()),
        };
        Self::from_der(key.map_err(|_| form)?.as_bytes(), algorithm)
    }

    /// Reads a private key in DER: PKCS#8, or a PKCS#1 `RSAPrivateKey`. Its id is its thumbprint.
    ///
    /// # Errors
    /// [`KeyError`] for anything else, and for weak keys.
    pub fn from_der(der: &[u8], algorithm: Algorithm) -> Result<Self, KeyError> {
        let form = KeyError::Form {
            algorithm,
            expected: "an unencrypted PKCS#8 key of that kind",
        };
        if der::is_on_secp256k1(der) {
            return Err(KeyError::Secp256k1);
        }
        match algorithm.family() {
            Family::Ec(curve) => {
                let pair = EcdsaKeyPair::from_pkcs8(curve.sign, der).map_err(|_| form)?;
                Self::ec(algorithm, pair, curve)
            }
            Family::Ed25519 => {
                let pair = Ed25519KeyPair::from_pkcs8(der).map_err(|_| form)?;
                Self::ed25519(algorithm, pair)
            }
            Family::Hmac(_) => Err(form),
            Family::Rsa(parameters) => {
                let pair = RsaKeyPair::from_pkcs8(der).or_else(|_| RsaKeyPair::from_der(der));
                Self::rsa(algorithm, pair.map_err(|_| form)?, parameters)
            }
        }
    }

    /// Makes a key of a secret for HMAC. Its id is derived from it one-way.
    ///
    /// # Errors
    /// [`KeyError::SecretTooShort`] if it is shorter than the hash,
    /// [`KeyError::SecretIsPem`] if it is a key in PEM, and [`KeyError::AlgorithmMismatch`] for an
    /// algorithm that is not HMAC.
    pub fn from_secret(secret: &[u8], algorithm: Algorithm) -> Result<Self, KeyError> {
        let Family::Hmac(parameters) = algorithm.family() else {
            return Err(KeyError::AlgorithmMismatch { algorithm });
        };
        // > A key of the same size as the hash output (for instance, 256 bits for "HS256") or
        // > larger MUST be used with this algorithm.
        // RFC 7518 section 3.2
        if secret.len() < parameters.min_bytes {
            return Err(KeyError::SecretTooShort {
                algorithm,
                bytes: secret.len(),
                min: parameters.min_bytes,
            });
        }
        // > An "RS256" (RSA, 2048 bit) parameter value can be changed into "HS256" (HMAC, SHA-256), and
        // > some libraries would try to validate the signature using HMAC-SHA256 and using the RSA
        // > public key as the HMAC shared secret [...].
        // RFC 8725 section 2.1. Here nobody can, and nobody may configure it either.
        if secret.windows(PEM.len()).any(|window| window == PEM) {
            return Err(KeyError::SecretIsPem);
        }
        let key = hmac::Key::new(parameters.algorithm, secret);
        Ok(Self {
            public: VerifyingKey::hmac(algorithm, key.clone(), secret),
            private: Arc::new(Private::Hmac {
                key,
                secret: Zeroizing::new(secret.to_vec()),
            }),
        })
    }

    /// A key whose private half stays in a KMS or an HSM, which signs what
    /// [`Prepared::to_sign`](crate::session::rule::Prepared::to_sign) gives.
    ///
    /// # Errors
    /// [`KeyError::Symmetric`], as a secret that verifies here is here already.
    pub fn elsewhere(public: VerifyingKey) -> Result<Self, KeyError> {
        if public.algorithm().is_symmetric() {
            return Err(KeyError::Symmetric);
        }
        Ok(Self {
            private: Arc::new(Private::Elsewhere),
            public,
        })
    }

    /// Whether the private half is in a KMS or HSM.
    pub fn is_elsewhere(&self) -> bool {
        matches!(*self.private, Private::Elsewhere)
    }

    /// The same key under another id.
    #[must_use]
    pub fn with_id(self, id: KeyId) -> Self {
        Self {
            public: self.public.with_id(id),
            ..self
        }
    }

    /// The `kid` of the tokens it signs.
    pub fn id(&self) -> &KeyId {
        self.public.id()
    }

    /// The one algorithm that it serves.
    pub fn algorithm(&self) -> Algorithm {
        self.public.algorithm()
    }

    /// What verifies its signatures. Of HMAC that is the secret itself.
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.public
    }

    /// The whole key as a JWK, for a file that nobody else can read. It is wiped when dropped.
    ///
    /// # Errors
    /// [`KeyError::Generation`] if aws-lc cannot export the key, and [`KeyError::Elsewhere`].
    pub fn to_private_jwk(&self) -> Result<Zeroizing<String>, KeyError> {
        let failed = |_| KeyError::Generation;
        let mut jwk = Zeroizing::new(String::with_capacity(4096));
        jwk.push('{');
        if let Some(members) = self.public.members() {
            jwk.push_str(&members);
        }
        let mut member = |name: &str, bytes: &[u8]| {
            if !jwk.ends_with('{') {
                jwk.push(',');
            }
            jwk.extend(["\"", name, "\":\""]);
            base64url::encode(bytes, &mut jwk);
            jwk.push('"');
        };
        match &*self.private {
            Private::Ec(pair) => {
                let scalar: EcPrivateKeyBin<'_> =
                    pair.private_key().as_be_bytes().map_err(failed)?;
                member("d", scalar.as_ref());
            }
            Private::Ed25519(pair) => {
                let seed: Curve25519SeedBin<'_> = pair
                    .seed()
                    .and_then(|seed| seed.as_be_bytes())
                    .map_err(failed)?;
                member("d", seed.as_ref());
            }
            Private::Elsewhere => return Err(KeyError::Elsewhere),
            Private::Hmac { secret, .. } => {
                member("k", secret);
                jwk.push_str(r#","kty":"oct""#);
            }
            Private::Rsa(pair, _) => {
                let pkcs8: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
                let numbers = der::rsa_private(pkcs8.as_ref()).ok_or(KeyError::Generation)?;
                for (name, number) in der::RSA_PRIVATE.iter().zip(&numbers) {
                    member(name, number);
                }
            }
        }
        let (algorithm, id) = (self.algorithm().as_str(), self.id().as_str());
        jwk.extend([
            r#","alg":""#,
            algorithm,
            r#"","kid":""#,
            id,
            r#"","use":"sig"}"#,
        ]);
        Ok(jwk)
    }

    /// Signs the message into `signature`, and says how many bytes it took:
    /// [`VerifyingKey::signature_length`].
    pub(crate) fn sign(&self, message: &[u8], signature: &mut [u8]) -> Result<usize, IssueError> {
        let length = self.public.signature_length();
        let signature = signature.get_mut(..length).ok_or(IssueError::Sign)?;
        match &*self.private {
            // aws-lc ignores the generator that it is given, and draws from its own.
            Private::Ec(pair) => {
                let made = pair
                    .sign(&SystemRandom::new(), message)
                    .map_err(|_| IssueError::Sign)?;
                signature.copy_from_slice(made.as_ref());
            }
            Private::Ed25519(pair) => {
                let made = pair.try_sign(message).map_err(|_| IssueError::Sign)?;
                signature.copy_from_slice(made.as_ref());
            }
            Private::Elsewhere => return Err(IssueError::Elsewhere),
            Private::Hmac { key, .. } => {
                hmac::sign_to_buffer(key, message, signature).map_err(|_| IssueError::Sign)?;
            }
            Private::Rsa(pair, parameters) => {
                pair.sign(parameters.sign, &SystemRandom::new(), message, signature)
                    .map_err(|_| IssueError::Sign)?;
            }
        }
        Ok(length)
    }

    pub(super) fn ec(
        algorithm: Algorithm,
        pair: EcdsaKeyPair,
        curve: &'static Curve,
    ) -> Result<Self, KeyError> {
        Ok(Self {
            public: VerifyingKey::ec(algorithm, curve, pair.public_key().as_ref())?,
            private: Arc::new(Private::Ec(pair)),
        })
    }

    pub(super) fn ed25519(algorithm: Algorithm, pair: Ed25519KeyPair) -> Result<Self, KeyError> {
        Ok(Self {
            public: VerifyingKey::ed25519(algorithm, pair.public_key().as_ref())?,
            private: Arc::new(Private::Ed25519(pair)),
        })
    }

    pub(super) fn rsa(
        algorithm: Algorithm,
        pair: RsaKeyPair,
        parameters: RsaParameters,
    ) -> Result<Self, KeyError> {
        let (modulus, exponent) =
            der::rsa_public(pair.public_key().as_ref()).ok_or(KeyError::Inconsistent)?;
        Ok(Self {
            public: VerifyingKey::rsa(algorithm, modulus, exponent)?,
            private: Arc::new(Private::Rsa(pair, parameters)),
        })
    }
}

/// How every key in PEM begins (RFC 7468 section 2).
const PEM: &[u8] = b"-----BEGIN ";

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("id", self.id())
            .field("algorithm", &self.algorithm())
            .field("private", &"[redacted]")
            .finish()
    }
}
