//! A key that plays a browser's, for tests of device-bound sessions in several crates.

#![allow(dead_code, reason = "each of the tests uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub(crate) struct SoftwareKey(EcdsaKeyPair);

impl SoftwareKey {
    pub(crate) fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub(crate) fn jwk(&self) -> String {
        let (x, y) = self.0.public_key().as_ref()[1..].split_at(32);
        let [x, y] = [x, y].map(|part| URL_SAFE_NO_PAD.encode(part));
        format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"}}"#)
    }

    pub(crate) fn sign(&self, header: &str, payload: &str) -> String {
        let [header, payload] = [header, payload].map(|part| URL_SAFE_NO_PAD.encode(part));
        let input = format!("{header}.{payload}");
        let signature = self.0.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The proof that registers the key.
    pub(crate) fn registration(&self, challenge: &str, authorization: &str) -> String {
        let header = format!(r#"{{"alg":"ES256","jwk":{},"typ":"dbsc+jwt"}}"#, self.jwk());
        let payload = format!(r#"{{"authorization":"{authorization}","jti":"{challenge}"}}"#);
        self.sign(&header, &payload)
    }

    /// The proof that renews the bound cookie.
    pub(crate) fn renew(&self, challenge: &str) -> String {
        let payload = format!(r#"{{"jti":"{challenge}"}}"#);
        self.sign(r#"{"alg":"ES256","typ":"dbsc+jwt"}"#, &payload)
    }
}
