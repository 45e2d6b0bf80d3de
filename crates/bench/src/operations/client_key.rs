//! The key of a browser or a client.

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use token_core::binding::Thumbprint;

/// A P-256 key of a browser or a client.
pub(super) struct ClientKey {
    pair: EcdsaKeyPair,
    pub(super) jwk: String,
    pub(super) thumbprint: Thumbprint,
}

impl ClientKey {
    pub(super) fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
        let pair = pair.expect("there is entropy");
        let (_, point) = pair.public_key().as_ref().split_at(1);
        let (x, y) = point.split_at(32);
        let [x, y] = [x, y].map(|part| URL_SAFE_NO_PAD.encode(part));
        // RFC 7638: the required members in the order of their names.
        let jwk = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let hash = digest::digest(&digest::SHA256, jwk.as_bytes());
        let hash = hash.as_ref().try_into().expect("SHA-256 has 32 bytes");
        Self {
            pair,
            jwk,
            thumbprint: Thumbprint::from_bytes(hash),
        }
    }

    pub(super) fn sign(&self, header: &str, payload: &str) -> String {
        let [header, payload] = [header, payload].map(|part| URL_SAFE_NO_PAD.encode(part));
        let input = format!("{header}.{payload}");
        let signature = self.pair.sign(&SystemRandom::new(), input.as_bytes());
        let signature = signature.expect("a key signs");
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The point, as a verifier takes it.
    pub(super) fn public(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }
}
