//! Keys as JSON ([RFC 7517](https://www.rfc-editor.org/rfc/rfc7517)), admitted one rule at a time.
//!
//! jsonwebtoken's `Jwk` reads duplicate members, mixed types and any length, and knows no private
//! keys, so the reading is done here.

use aws_lc_rs::rsa::{KeyPairComponents, PublicKeyComponents};
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use zeroize::Zeroizing;

use crate::jose::base64url;
use crate::jose::json::{self, Value};
use crate::keys::algorithm::{Algorithm, Curve, Family};
use crate::keys::error::KeyError;
use crate::keys::private::SigningKey;
use crate::keys::public::VerifyingKey;
use crate::keys::{der, pem};
use crate::types::name::KeyId;

impl VerifyingKey {
    /// Reads a public JWK ([RFC 7517](https://www.rfc-editor.org/rfc/rfc7517)). Its id is `kid`,
    /// or its thumbprint if there is none. `alg` may be left out if the type leaves no choice.
    ///
    /// # Errors
    /// [`KeyError`] if it is not strict JSON, a member is missing, wrong, or contradicts another,
    /// the key is weak, or has a private or symmetric part.
    pub fn from_jwk(json: &str) -> Result<Self, KeyError> {
        Self::from_jwk_as(json, None)
    }

    /// The same with an algorithm for RSA keys without `alg`.
    pub(crate) fn from_jwk_as(json: &str, default: Option<Algorithm>) -> Result<Self, KeyError> {
        let jwk = Jwk::parse(json)?;
        // > Private and symmetric keys MUST be protected from disclosure to unintended parties.
        // RFC 7517 section 9.2. One in a public set is a key that leaked, whatever else is wrong with it.
        if jwk.text("kty")? == "oct" {
            return Err(KeyError::Symmetric);
        }
        let algorithm = match jwk.algorithm() {
            Err(KeyError::AlgorithmMissing) => default.ok_or(KeyError::AlgorithmMissing)?,
            algorithm => algorithm?,
        };
        if der::RSA_PRIVATE
            .iter()
            .chain(&["k", "oth"])
            .any(|member| jwk.has(member))
        {
            return Err(KeyError::Private);
        }
        jwk.check_purpose(&["verify"])?;
        let key = jwk.public(algorithm)?;
        Ok(match jwk.id()? {
            Some(id) => key.with_id(id),
            None => key,
        })
    }
}

impl SigningKey {
    /// Reads a private or symmetric JWK. Its id is `kid`, or its thumbprint if there is none.
    ///
    /// # Errors
    /// [`KeyError`] if it is not strict JSON, a member is missing, wrong, or contradicts another,
    /// or the key is weak or only public.
    pub fn from_jwk(json: &str) -> Result<Self, KeyError> {
        let jwk = Jwk::parse(json)?;
        let algorithm = jwk.algorithm()?;
        jwk.check_purpose(if algorithm.is_symmetric() {
            &["sign", "verify"]
        } else {
            &["sign"]
        })?;
        let key = match algorithm.family() {
            Family::Ec(curve) => {
                let point = jwk.point(curve)?;
                let scalar = jwk.exactly("d", curve.bytes)?;
                VerifyingKey::ec(algorithm, curve, &point)?;
                let pair =
                    EcdsaKeyPair::from_private_key_and_public_key(curve.sign, &scalar, &point)
                        .map_err(|_| KeyError::Inconsistent)?;
                SigningKey::ec(algorithm, pair, curve)?
            }
            Family::Ed25519 => {
                let (seed, x) = (jwk.exactly("d", 32)?, jwk.exactly("x", 32)?);
                let pair = Ed25519KeyPair::from_seed_and_public_key(&seed, &x)
                    .map_err(|_| KeyError::Inconsistent)?;
                SigningKey::ed25519(algorithm, pair)?
            }
            Family::Hmac(_) => SigningKey::from_secret(&jwk.bytes("k")?, algorithm)?,
            Family::Rsa(parameters) => {
                // More than two primes: nobody makes such keys, and aws-lc takes none.
                if jwk.has("oth") {
                    return Err(KeyError::Purpose);
                }
                jwk.public(algorithm)?;
                let pair = RsaKeyPair::from_components(&KeyPairComponents {
                    public_key: PublicKeyComponents {
                        n: &*jwk.number("n")?,
                        e: &*jwk.number("e")?,
                    },
                    d: &*jwk.bytes("d")?,
                    p: &*jwk.bytes("p")?,
                    q: &*jwk.bytes("q")?,
                    dP: &*jwk.bytes("dp")?,
                    dQ: &*jwk.bytes("dq")?,
                    qInv: &*jwk.bytes("qi")?,
                });
                SigningKey::rsa(
                    algorithm,
                    pair.map_err(|_| KeyError::Inconsistent)?,
                    parameters,
                )?
            }
        };
        Ok(match jwk.id()? {
            Some(id) => key.with_id(id),
            None => key,
        })
    }
}

/// The members of a JWK, each at most once.
struct Jwk<'a>(Vec<(json::Text<'a>, Value<'a>)>);

impl<'a> Jwk<'a> {
    fn parse(json: &'a str) -> Result<Self, KeyError> {
        // > The member names within a JWK MUST be unique; JWK parsers MUST either reject JWKs with
        // > duplicate member names or use a JSON parser that returns only the lexically last
        // > duplicate member name [...].
        // RFC 7517 section 4
        pem::refuse_byte_order_mark(json)?;
        json::check(json).map_err(KeyError::Json)?;
        json::members(json).map(Self).map_err(KeyError::Json)
    }

    fn has(&self, member: &str) -> bool {
        self.0.iter().any(|(name, _)| name.0 == member)
    }

    fn get(&self, member: &str) -> Option<&Value<'a>> {
        let mut members = self.0.iter();
        members.find_map(|(name, value)| (name.0 == member).then_some(value))
    }

    fn optional(&self, member: &'static str) -> Result<Option<&str>, KeyError> {
        match self.get(member) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(KeyError::Type { member }),
        }
    }

    fn text(&self, member: &'static str) -> Result<&str, KeyError> {
        self.optional(member)?.ok_or(KeyError::Missing { member })
    }

    fn bytes(&self, member: &'static str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let text = self.text(member)?;
        let mut bytes = Zeroizing::new(vec![0; text.len()]);
        match base64url::decode(text.as_bytes(), &mut bytes[..]).map(|decoded| decoded.len()) {
            None | Some(0) => Err(KeyError::Member { member }),
            Some(length) => {
                bytes.truncate(length);
                Ok(bytes)
            }
        }
    }

    /// > The length of this octet string MUST be the full size of a coordinate for the curve
    /// > specified in the "crv" parameter.
    ///
    /// RFC 7518 section 6.2.1.2
    fn exactly(&self, member: &'static str, length: usize) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let bytes = self.bytes(member)?;
        if bytes.len() == length {
            Ok(bytes)
        } else {
            Err(KeyError::Member { member })
        }
    }

    /// > The octet sequence MUST utilize the minimum number of octets needed to represent the
    /// > value.
    ///
    /// RFC 7518 section 2
    fn number(&self, member: &'static str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let bytes = self.bytes(member)?;
        if bytes.first() == Some(&0) {
            Err(KeyError::Member { member })
        } else {
            Ok(bytes)
        }
    }

    fn point(&self, curve: &Curve) -> Result<Vec<u8>, KeyError> {
        let (x, y) = (
            self.exactly("x", curve.bytes)?,
            self.exactly("y", curve.bytes)?,
        );
        Ok([&[4], x.as_slice(), y.as_slice()].concat())
    }

    fn public(&self, algorithm: Algorithm) -> Result<VerifyingKey, KeyError> {
        match algorithm.family() {
            Family::Ec(curve) => VerifyingKey::ec(algorithm, curve, &self.point(curve)?),
            Family::Ed25519 => VerifyingKey::ed25519(algorithm, &self.exactly("x", 32)?),
            Family::Hmac(_) => Err(KeyError::Symmetric),
            Family::Rsa(_) => VerifyingKey::rsa(algorithm, &self.number("n")?, &self.number("e")?),
        }
    }

    /// The one algorithm: `alg`, which must go with `kty` and `crv`, or what these leave no choice in.
    fn algorithm(&self) -> Result<Algorithm, KeyError> {
        let named = self.optional("alg")?.map(str::parse).transpose()?;
        let crv = self.optional("crv")?;
        let only = match (self.text("kty")?, crv) {
            ("EC", Some("P-256")) => Some(Algorithm::ES256),
            ("EC", Some("P-384")) => Some(Algorithm::ES384),
            ("OKP", Some("Ed25519")) => Some(Algorithm::EdDSA),
            ("EC" | "OKP", None) => return Err(KeyError::Missing { member: "crv" }),
            ("RSA" | "oct", _) => None,
            ("EC", Some("secp256k1")) => return Err(KeyError::Secp256k1),
            _ => return Err(KeyError::UnknownType),
        };
        let fits = |algorithm: Algorithm| match algorithm.family() {
            Family::Ec(_) | Family::Ed25519 => only.is_some_and(|only| only.is_same_as(algorithm)),
            Family::Hmac(_) => self.text("kty") == Ok("oct"),
            Family::Rsa(_) => self.text("kty") == Ok("RSA"),
        };
        match (named, only) {
            (None, Some(only)) => Ok(only),
            (None, None) => Err(KeyError::AlgorithmMissing),
            (Some(named), _) if fits(named) => Ok(named),
            (Some(algorithm), _) => Err(KeyError::AlgorithmMismatch { algorithm }),
        }
    }

    fn id(&self) -> Result<Option<KeyId>, KeyError> {
        Ok(self.optional("kid")?.map(KeyId::new).transpose()?)
    }

    fn check_purpose(&self, operations: &[&str]) -> Result<(), KeyError> {
        // > The "use" and "key_ops" JWK members SHOULD NOT be used together; however, if both are
        // > used, the information they convey MUST be consistent.
        // RFC 7517 section 4.3. Whatever is there must fit.
        if self
            .optional("use")?
            .is_some_and(|purpose| purpose != "sig")
        {
            return Err(KeyError::Purpose);
        }
        let given = match self.get("key_ops") {
            None => return Ok(()),
            Some(Value::Texts(given)) => given,
            Some(_) => return Err(KeyError::Type { member: "key_ops" }),
        };
        // > Duplicate key operation values MUST NOT be present in the array.
        // > Multiple unrelated key operations SHOULD NOT be specified for a key because of the
        // > potential vulnerabilities associated with using the same key with multiple algorithms.
        // RFC 7517 section 4.3
        let known = given
            .iter()
            .all(|given| matches!(&**given, "sign" | "verify"));
        let once = given.len() <= 2 && given.first() != given.get(1);
        let enough = operations
            .iter()
            .all(|needed| given.iter().any(|given| given == needed));
        if known && once && enough {
            Ok(())
        } else {
            Err(KeyError::Purpose)
        }
    }
}
