//! Keys that verify.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::signature::{self, ParsedPublicKey, RsaPublicKeyComponents};
use aws_lc_rs::{digest, hmac};
use jsonwebtoken::{DecodingKey, DecodingKeyKind};

use crate::jose::base64url;
use crate::jose::header::ACCESS_TOKEN;
use crate::keys::algorithm::{Algorithm, Curve, Family};
use crate::keys::error::KeyError;
use crate::keys::{der, pem, weak};
use crate::types::name::KeyId;

/// A key that verifies the signatures of exactly one algorithm.
///
/// Of an asymmetric algorithm it is public. Of HMAC it is the secret itself; it comes only from
/// [`SigningKey::verifying_key`](crate::SigningKey::verifying_key) and cannot be exported.
///
/// ```
/// use token_core::{Algorithm, VerifyingKey};
///
/// // RFC 8037 appendix A.2
/// let key = VerifyingKey::from_jwk(
///     r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
/// )?;
/// assert_eq!(key.algorithm(), Algorithm::EdDSA);
/// assert_eq!(key.id().as_str(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
/// # Ok::<(), token_core::keys::KeyError>(())
/// ```
#[derive(Clone)]
pub struct VerifyingKey {
    id: KeyId,
    algorithm: Algorithm,
    fingerprint: [u8; 32],
    public: Arc<Public>,
}

/// A key as aws-lc prepared it, with what it is written as.
#[expect(clippy::large_enum_variant, reason = "only ever behind an `Arc`")]
enum Public {
    Ec(&'static Curve, ParsedPublicKey),
    Ed25519(ParsedPublicKey),
    Hmac(hmac::Key),
    Rsa {
        modulus: Box<[u8]>,
        exponent: Box<[u8]>,
        key: ParsedPublicKey,
    },
}

impl VerifyingKey {
    /// Reads a public key in PEM: `PUBLIC KEY`, or `RSA PUBLIC KEY`. Its id is its thumbprint.
    ///
    /// # Errors
    /// [`KeyError`] for anything else, several keys or a certificate, and for weak keys.
    pub fn from_pem(pem: &str, algorithm: Algorithm) -> Result<Self, KeyError> {
        let form = KeyError::Form {
            algorithm,
            expected: "one PEM block \"PUBLIC KEY\"",
        };
        pem::check(pem, "PUBLIC KEY", form)?;
        let key = match algorithm.family() {
            Family::Ec(_) => DecodingKey::from_ec_pem(pem.as_bytes()),
            Family::Ed25519 => DecodingKey::from_ed_pem(pem.as_bytes()),
            Family::Hmac(_) => return Err(KeyError::Symmetric),
            Family::Rsa(_) => DecodingKey::from_rsa_pem(pem.as_bytes()),
        };
        let key = key.map_err(|_| form)?;
        let DecodingKeyKind::SecretOrDer(bytes) = key.kind() else {
            return Err(form);
        };
        Self::from_bytes(bytes, algorithm, form)
    }

    /// Reads a public key as a DER `SubjectPublicKeyInfo`. Its id is its thumbprint.
    ///
    /// # Errors
    /// [`KeyError`] for anything else, and for weak keys.
    pub fn from_der(spki: &[u8], algorithm: Algorithm) -> Result<Self, KeyError> {
        let form = KeyError::Form {
            algorithm,
            expected: "a DER SubjectPublicKeyInfo",
        };
        let identifier = match algorithm.family() {
            Family::Ec(curve) => curve.identifier,
            Family::Ed25519 => der::ED25519,
            Family::Hmac(_) => return Err(KeyError::Symmetric),
            Family::Rsa(_) => der::RSA,
        };
        if der::is_on_secp256k1(spki) {
            return Err(KeyError::Secp256k1);
        }
        let key = der::public_key(spki, identifier).ok_or(form)?;
        Self::from_bytes(key, algorithm, form)
    }

    /// Reads what both forms wrap: a point, or an `RSAPublicKey`.
    fn from_bytes(bytes: &[u8], algorithm: Algorithm, form: KeyError) -> Result<Self, KeyError> {
        match algorithm.family() {
            Family::Ec(curve) => Self::ec(algorithm, curve, bytes),
            Family::Ed25519 => Self::ed25519(algorithm, bytes),
            Family::Hmac(_) => Err(KeyError::Symmetric),
            Family::Rsa(_) => {
                let (modulus, exponent) = der::rsa_public(bytes).ok_or(form)?;
                Self::rsa(algorithm, modulus, exponent)
            }
        }
    }

    /// The same key under another id.
    #[must_use]
    pub(crate) fn with_id(self, id: KeyId) -> Self {
        Self { id, ..self }
    }

    /// The `kid` of the tokens it verifies.
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// The one algorithm that it serves.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The public JWK, or `None` for a symmetric key, which has no public half.
    ///
    /// It has no `alg` if the algorithm is [`Ed25519`](Algorithm::Ed25519): most readers know that key by
    /// one of its two names alone, and refuse a key whose `alg` is the other one. Its type leaves no choice.
    pub fn to_jwk(&self) -> Option<String> {
        let members = self.members()?;
        let algorithm = match self.algorithm {
            Algorithm::Ed25519 => String::new(),
            algorithm => format!(r#""alg":"{algorithm}","#),
        };
        let id = self.id.as_str();
        Some(format!(
            r#"{{{members},{algorithm}"kid":"{id}","use":"sig"}}"#
        ))
    }

    /// The encoded header of every access token that it verifies, as this library writes it.
    pub(crate) fn token_header(&self) -> String {
        // Neither needs an escape: both were checked when they were made.
        let (algorithm, id) = (self.algorithm, self.id.as_str());
        let json = format!(r#"{{"alg":"{algorithm}","kid":"{id}","typ":"{ACCESS_TOKEN}"}}"#);
        base64url::to_text(json.as_bytes())
    }

    /// The same for the same key material, whatever its id and algorithm. Not secret for a public key.
    pub(crate) fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// Whether both are the same key for the same algorithm, under the same id.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.id() == other.id()
            && self.algorithm().is_same_as(other.algorithm())
            && self.fingerprint == other.fingerprint
    }

    /// Whether one verifier must not have both.
    pub(crate) fn conflicts_with(&self, other: &Self) -> bool {
        let same_algorithm = self.algorithm().is_same_as(other.algorithm());
        if self.fingerprint == other.fingerprint {
            // > Moreover, each key MUST be used with exactly one algorithm, and this MUST be
            // > checked when the cryptographic operation is performed.
            // RFC 8725 section 3.1
            !same_algorithm
        } else {
            // > When "kid" values are used within a JWK Set, different keys within the JWK Set SHOULD
            // > use distinct "kid" values. (One example in which different keys might use the same
            // > "kid" value is if they have different "kty" (key type) values but are considered to be
            // > equivalent alternatives by the application using them.)
            // RFC 7517 section 4.5. Of such alternatives, the token's algorithm says which is meant.
            self.id() == other.id() && same_algorithm
        }
    }

    /// The compressed point of a key on P-256.
    pub(crate) fn p256_point(&self) -> Option<[u8; 33]> {
        let Public::Ec(_, key) = &*self.public else {
            return None;
        };
        let point: &[u8; 65] = key.as_ref().try_into().ok()?;
        let (x, y) = point.get(1..)?.split_first_chunk::<32>()?;
        let mut compressed = [2 | (y.last()? & 1); 33];
        let [_, rest @ ..] = &mut compressed;
        *rest = *x;
        Some(compressed)
    }

    /// Bytes of each signature.
    pub(crate) fn signature_length(&self) -> usize {
        match &*self.public {
            Public::Ec(curve, _) => 2 * curve.bytes,
            Public::Ed25519(_) => 64,
            Public::Hmac(key) => key.algorithm().tag_len(),
            Public::Rsa { modulus, .. } => modulus.len(),
        }
    }

    /// Whether the signature is this key's under the message. HMAC is compared in constant time.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = match &*self.public {
            Public::Ec(_, key) | Public::Ed25519(key) | Public::Rsa { key, .. } => {
                key.verify_sig(message, signature)
            }
            Public::Hmac(key) => hmac::verify(key, message, signature),
        };
        verified.is_ok()
    }

    /// From a point, which must not be compressed.
    pub(super) fn ec(
        algorithm: Algorithm,
        curve: &'static Curve,
        point: &[u8],
    ) -> Result<Self, KeyError> {
        if point.len() == 1 + curve.bytes && matches!(point.first(), Some(2 | 3)) {
            return Err(KeyError::CompressedPoint);
        }
        if point.len() != 1 + 2 * curve.bytes || point.first() != Some(&4) {
            return Err(KeyError::AlgorithmMismatch { algorithm });
        }
        let key = ParsedPublicKey::new(curve.verify, point).map_err(|_| KeyError::NotOnCurve)?;
        Self::new(algorithm, Public::Ec(curve, key))
    }

    pub(super) fn ed25519(algorithm: Algorithm, x: &[u8]) -> Result<Self, KeyError> {
        let x: &[u8; 32] = x
            .try_into()
            .map_err(|_| KeyError::AlgorithmMismatch { algorithm })?;
        weak::check_ed25519(x)?;
        let key = ParsedPublicKey::new(&signature::ED25519, x).map_err(|_| KeyError::NotOnCurve)?;
        Self::new(algorithm, Public::Ed25519(key))
    }

    pub(super) fn hmac(algorithm: Algorithm, key: hmac::Key, secret: &[u8]) -> Self {
        // A thumbprint would be a plain hash of the secret (RFC 7638 section 7 warns of it). A tag
        // under the secret tells no more than any token does.
        let label = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let tag = hmac::sign(&label, b"token-core key id");
        let fingerprint = tag.as_ref().try_into().expect("HMAC-SHA256 has 32 bytes");
        Self {
            id: thumbprint_id(&fingerprint),
            algorithm,
            fingerprint,
            public: Arc::new(Public::Hmac(key)),
        }
    }

    /// From big-endian numbers without leading zeros.
    pub(super) fn rsa(
        algorithm: Algorithm,
        modulus: &[u8],
        exponent: &[u8],
    ) -> Result<Self, KeyError> {
        let Family::Rsa(parameters) = algorithm.family() else {
            return Err(KeyError::AlgorithmMismatch { algorithm });
        };
        weak::check_rsa(modulus, exponent)?;
        let components = RsaPublicKeyComponents {
            n: modulus,
            e: exponent,
        };
        let key = components
            .to_parsed_public_key(parameters.verify)
            .map_err(|_| KeyError::Inconsistent)?;
        Self::new(
            algorithm,
            Public::Rsa {
                modulus: modulus.into(),
                exponent: exponent.into(),
                key,
            },
        )
    }

    fn new(algorithm: Algorithm, public: Public) -> Result<Self, KeyError> {
        let mut key = Self {
            id: KeyId::new("-")?,
            algorithm,
            fingerprint: [0; 32],
            public: Arc::new(public),
        };
        // > 1. Construct a JSON object [...] containing only the required members of a JWK
        // > representing the key and with no whitespace or line breaks before or after any
        // > syntactic elements and with the required members ordered lexicographically by the
        // > Unicode [...] code points of the member names. [...]
        // > 2. Hash the octets of the UTF-8 representation of this JSON object with a cryptographic
        // > hash function H. [...]
        // RFC 7638 section 3
        let members = key.members().unwrap_or_default();
        let hash = digest::digest(&digest::SHA256, format!("{{{members}}}").as_bytes());
        key.fingerprint = hash.as_ref().try_into().expect("SHA-256 has 32 bytes");
        key.id = thumbprint_id(&key.fingerprint);
        Ok(key)
    }

    /// The required members of the public JWK, ordered by name; none for a symmetric key.
    pub(super) fn members(&self) -> Option<String> {
        let encode = base64url::to_text;
        Some(match &*self.public {
            Public::Ec(curve, key) => {
                let (x, y) = key.as_ref().get(1..)?.split_at_checked(curve.bytes)?;
                let (name, x, y) = (curve.name, encode(x), encode(y));
                format!(r#""crv":"{name}","kty":"EC","x":"{x}","y":"{y}""#)
            }
            Public::Ed25519(key) => {
                format!(
                    r#""crv":"Ed25519","kty":"OKP","x":"{}""#,
                    encode(key.as_ref())
                )
            }
            Public::Hmac(_) => return None,
            Public::Rsa {
                modulus, exponent, ..
            } => format!(
                r#""e":"{}","kty":"RSA","n":"{}""#,
                encode(exponent),
                encode(modulus)
            ),
        })
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

fn thumbprint_id(fingerprint: &[u8; 32]) -> KeyId {
    KeyId::new(base64url::to_text(fingerprint)).expect("base64url is allowed in a key id")
}
