//! The algorithms, and what each demands of a key.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::{hmac, signature};
use serde::{Deserialize, Serialize};

use crate::keys::der;
use crate::types::invalid::InvalidValue;
use crate::types::stored::words;

words! {
    /// A signature algorithm of [RFC 7518 section 3.1](https://www.rfc-editor.org/rfc/rfc7518#section-3.1),
    /// [RFC 8037](https://www.rfc-editor.org/rfc/rfc8037) or
    /// [RFC 9864](https://www.rfc-editor.org/rfc/rfc9864). There is no `none`: it does not parse,
    /// and no value stands for it.
    ///
    /// ```
    /// use token_core::Algorithm;
    ///
    /// assert_eq!("ES256".parse(), Ok(Algorithm::ES256));
    /// assert!("none".parse::<Algorithm>().is_err());
    /// assert!("es256".parse::<Algorithm>().is_err());
    /// ```
    #[non_exhaustive]
    Algorithm {
        /// ECDSA on P-256 with SHA-256.
        ES256 = "ES256",
        /// ECDSA on P-384 with SHA-384.
        ES384 = "ES384",
        /// Ed25519 under its older name: small, fast, and without a random number in each signature that
        /// could leak the key.
        EdDSA = "EdDSA",
        /// Ed25519 under the name of [RFC 9864](https://www.rfc-editor.org/rfc/rfc9864). The key and the
        /// signatures are the same, and both names are read wherever one of them is expected. A key made
        /// for this one writes it into its tokens, which few libraries read yet (`docs/interop.md`).
        Ed25519 = "Ed25519",
        /// HMAC with SHA-256. Anyone who can verify can also sign.
        HS256 = "HS256",
        /// HMAC with SHA-384. Anyone who can verify can also sign.
        HS384 = "HS384",
        /// HMAC with SHA-512. Anyone who can verify can also sign.
        HS512 = "HS512",
        /// RSASSA-PSS with SHA-256.
        PS256 = "PS256",
        /// RSASSA-PSS with SHA-384.
        PS384 = "PS384",
        /// RSASSA-PSS with SHA-512.
        PS512 = "PS512",
        /// RSASSA-PKCS1-v1_5 with SHA-256.
        RS256 = "RS256",
        /// RSASSA-PKCS1-v1_5 with SHA-384.
        RS384 = "RS384",
        /// RSASSA-PKCS1-v1_5 with SHA-512.
        RS512 = "RS512",
    }
}

impl Algorithm {
    /// Whether one secret both signs and verifies.
    pub const fn is_symmetric(self) -> bool {
        matches!(self.family(), Family::Hmac(_))
    }

    /// Whether both are the same algorithm, perhaps under two names.
    pub const fn is_same_as(self, other: Self) -> bool {
        matches!(
            (self, other),
            (Self::Ed25519 | Self::EdDSA, Self::Ed25519 | Self::EdDSA)
        ) || self as u8 == other as u8
    }

    /// Whether a header that names this text names this algorithm.
    pub(crate) fn is_named(self, name: &str) -> bool {
        // > This section registers a fully-specified [...] algorithm identifier: Ed25519
        // RFC 9864 section 2.2; for keys of Ed25519 it means what "EdDSA" means.
        let ed25519 = [Self::Ed25519.as_str(), Self::EdDSA.as_str()];
        name == self.as_str() || matches!(self.family(), Family::Ed25519) && ed25519.contains(&name)
    }

    pub(crate) const fn family(self) -> Family {
        const fn hmac(algorithm: hmac::Algorithm, min_bytes: usize) -> Family {
            Family::Hmac(HmacParameters {
                algorithm,
                min_bytes,
            })
        }
        const fn rsa(
            sign: &'static signature::RsaSignatureEncoding,
            verify: &'static signature::RsaParameters,
        ) -> Family {
            Family::Rsa(RsaParameters { sign, verify })
        }
        use signature as s;
        match self {
            Self::ES256 => Family::Ec(&P256),
            Self::ES384 => Family::Ec(&P384),
            Self::Ed25519 | Self::EdDSA => Family::Ed25519,
            Self::HS256 => hmac(hmac::HMAC_SHA256, 32),
            Self::HS384 => hmac(hmac::HMAC_SHA384, 48),
            Self::HS512 => hmac(hmac::HMAC_SHA512, 64),
            Self::PS256 => rsa(&s::RSA_PSS_SHA256, &s::RSA_PSS_2048_8192_SHA256),
            Self::PS384 => rsa(&s::RSA_PSS_SHA384, &s::RSA_PSS_2048_8192_SHA384),
            Self::PS512 => rsa(&s::RSA_PSS_SHA512, &s::RSA_PSS_2048_8192_SHA512),
            Self::RS256 => rsa(&s::RSA_PKCS1_SHA256, &s::RSA_PKCS1_2048_8192_SHA256),
            Self::RS384 => rsa(&s::RSA_PKCS1_SHA384, &s::RSA_PKCS1_2048_8192_SHA384),
            Self::RS512 => rsa(&s::RSA_PKCS1_SHA512, &s::RSA_PKCS1_2048_8192_SHA512),
        }
    }
}

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
    /// The algorithm of a key in DER.
    pub(crate) identifier: &'static [u8],
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
    identifier: der::P256,
    sign: &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
    verify: &signature::ECDSA_P256_SHA256_FIXED,
};

static P384: Curve = Curve {
    name: "P-384",
    bytes: 48,
    identifier: der::P384,
    sign: &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
    verify: &signature::ECDSA_P384_SHA384_FIXED,
};

#[cfg(test)]
mod tests {
    use super::*;

    /// As jsonwebtoken calls it.
    fn theirs(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
        algorithm.as_str().parse().unwrap()
    }

    #[test]
    fn names_are_exact_and_the_same_as_those_of_jsonwebtoken() {
        for &algorithm in Algorithm::ALL {
            assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
            if algorithm == Algorithm::Ed25519 {
                continue; // RFC 9864 is younger than its list
            }
            assert_eq!(format!("{:?}", theirs(algorithm)), algorithm.as_str());
        }
        for wrong in [
            "", "none", "None", "NONE", "hs256", "HS256 ", "ES512", "ES256K", "RSA1_5",
        ] {
            assert!(wrong.parse::<Algorithm>().is_err(), "{wrong}");
        }
    }
}
