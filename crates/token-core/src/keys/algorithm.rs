//! The algorithms, and what each demands of a key.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::{hmac, signature};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// A signature algorithm of [RFC 7518 section 3.1](https://www.rfc-editor.org/rfc/rfc7518#section-3.1)
/// or [RFC 8037](https://www.rfc-editor.org/rfc/rfc8037). There is no `none`: it does not parse,
/// and no value stands for it.
///
/// ```
/// use token_core::Algorithm;
///
/// assert_eq!("ES256".parse(), Ok(Algorithm::ES256));
/// assert!("none".parse::<Algorithm>().is_err());
/// assert!("es256".parse::<Algorithm>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// Ed25519. The default where there is a choice: small, fast, and without a random number
    /// in each signature that could leak the key.
    EdDSA,
    /// HMAC with SHA-256. Whoever verifies can also sign.
    HS256,
    /// HMAC with SHA-384. Whoever verifies can also sign.
    HS384,
    /// HMAC with SHA-512. Whoever verifies can also sign.
    HS512,
    /// RSASSA-PSS with SHA-256.
    PS256,
    /// RSASSA-PSS with SHA-384.
    PS384,
    /// RSASSA-PSS with SHA-512.
    PS512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RS384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RS512,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::ES256,
        Self::ES384,
        Self::EdDSA,
        Self::HS256,
        Self::HS384,
        Self::HS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::RS256,
        Self::RS384,
        Self::RS512,
    ];

    /// The name, as it stands in `alg`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::EdDSA => "EdDSA",
            Self::HS256 => "HS256",
            Self::HS384 => "HS384",
            Self::HS512 => "HS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
        }
    }

    /// Whether one secret both signs and verifies.
    pub const fn is_symmetric(self) -> bool {
        matches!(self.family(), Family::Hmac(_))
    }

    pub(crate) const fn family(self) -> Family {
        match self {
            Self::ES256 => Family::Ec(&P256),
            Self::ES384 => Family::Ec(&P384),
            Self::EdDSA => Family::Ed25519,
            Self::HS256 => Family::Hmac(HmacParameters {
                algorithm: hmac::HMAC_SHA256,
                min_bytes: 32,
            }),
            Self::HS384 => Family::Hmac(HmacParameters {
                algorithm: hmac::HMAC_SHA384,
                min_bytes: 48,
            }),
            Self::HS512 => Family::Hmac(HmacParameters {
                algorithm: hmac::HMAC_SHA512,
                min_bytes: 64,
            }),
            Self::PS256 => Family::Rsa(RsaParameters {
                sign: &signature::RSA_PSS_SHA256,
                verify: &signature::RSA_PSS_2048_8192_SHA256,
            }),
            Self::PS384 => Family::Rsa(RsaParameters {
                sign: &signature::RSA_PSS_SHA384,
                verify: &signature::RSA_PSS_2048_8192_SHA384,
            }),
            Self::PS512 => Family::Rsa(RsaParameters {
                sign: &signature::RSA_PSS_SHA512,
                verify: &signature::RSA_PSS_2048_8192_SHA512,
            }),
            Self::RS256 => Family::Rsa(RsaParameters {
                sign: &signature::RSA_PKCS1_SHA256,
                verify: &signature::RSA_PKCS1_2048_8192_SHA256,
            }),
            Self::RS384 => Family::Rsa(RsaParameters {
                sign: &signature::RSA_PKCS1_SHA384,
                verify: &signature::RSA_PKCS1_2048_8192_SHA384,
            }),
            Self::RS512 => Family::Rsa(RsaParameters {
                sign: &signature::RSA_PKCS1_SHA512,
                verify: &signature::RSA_PKCS1_2048_8192_SHA512,
            }),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(text: &str) -> Result<Self, UnknownAlgorithm> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == text)
            .ok_or(UnknownAlgorithm)
    }
}

impl Serialize for Algorithm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Algorithm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<str>::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl From<Algorithm> for jsonwebtoken::Algorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::ES256 => Self::ES256,
            Algorithm::ES384 => Self::ES384,
            Algorithm::EdDSA => Self::EdDSA,
            Algorithm::HS256 => Self::HS256,
            Algorithm::HS384 => Self::HS384,
            Algorithm::HS512 => Self::HS512,
            Algorithm::PS256 => Self::PS256,
            Algorithm::PS384 => Self::PS384,
            Algorithm::PS512 => Self::PS512,
            Algorithm::RS256 => Self::RS256,
            Algorithm::RS384 => Self::RS384,
            Algorithm::RS512 => Self::RS512,
        }
    }
}

/// Text that names no algorithm of this library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "not an algorithm; use one of EdDSA, ES256, ES384, RS256, RS384, RS512, PS256, PS384, PS512, HS256, HS384, HS512"
)]
pub struct UnknownAlgorithm;

/// What kind of key an algorithm needs, with the parameters of aws-lc.
pub(crate) enum Family {
    Ec(&'static Curve),
    Ed25519,
    Hmac(HmacParameters),
    Rsa(RsaParameters),
}

/// A curve of ECDSA.
pub(crate) struct Curve {
    /// The name in `crv`.
    pub(crate) name: &'static str,
    /// Bytes of a coordinate and of the private scalar.
    pub(crate) bytes: usize,
    pub(crate) sign: &'static signature::EcdsaSigningAlgorithm,
    pub(crate) verify: &'static signature::EcdsaVerificationAlgorithm,
}

pub(crate) struct HmacParameters {
    pub(crate) algorithm: hmac::Algorithm,
    pub(crate) min_bytes: usize,
}

pub(crate) struct RsaParameters {
    pub(crate) sign: &'static signature::RsaSignatureEncoding,
    pub(crate) verify: &'static signature::RsaParameters,
}

static P256: Curve = Curve {
    name: "P-256",
    bytes: 32,
    sign: &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
    verify: &signature::ECDSA_P256_SHA256_FIXED,
};

static P384: Curve = Curve {
    name: "P-384",
    bytes: 48,
    sign: &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
    verify: &signature::ECDSA_P384_SHA384_FIXED,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_exact_and_the_same_as_those_of_jsonwebtoken() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
            let theirs = jsonwebtoken::Algorithm::from(algorithm);
            assert_eq!(format!("{theirs:?}"), algorithm.as_str());
        }
        for wrong in [
            "", "none", "None", "NONE", "hs256", "HS256 ", "ES512", "ES256K", "RSA1_5",
        ] {
            assert_eq!(wrong.parse::<Algorithm>(), Err(UnknownAlgorithm), "{wrong}");
        }
    }
}
