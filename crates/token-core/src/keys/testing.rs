//! A key for each algorithm without waiting: RSA keys take seconds to make, so those are the RFC's.

use crate::keys::algorithm::Algorithm;
use crate::keys::private::SigningKey;
use crate::types::secret::Entropy;

pub(crate) fn key(algorithm: Algorithm) -> SigningKey {
    if matches!(algorithm.as_str().as_bytes(), [b'P' | b'R', ..]) {
        SigningKey::from_jwk(&rsa_jwk(algorithm).to_string()).unwrap()
    } else {
        SigningKey::generate(algorithm, Entropy::new([7; 64])).unwrap()
    }
}

/// The private key of RFC 7515 appendix A.2.
pub(crate) fn rsa_jwk(algorithm: Algorithm) -> serde_json::Value {
    let file = include_str!("../../tests/vectors/rfc7515.json");
    let file: serde_json::Value = serde_json::from_str(file).unwrap();
    let mut jwk = file["vectors"][1]["key"].clone();
    jwk["alg"] = algorithm.as_str().into();
    jwk
}
