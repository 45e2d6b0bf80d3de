//! Makes tokens with the server's own secret, each with one fault.

use std::fs;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::server::Files;
use crate::token;

/// A token with other claims, signed with the ES256 key of the genuine one, which is in the
/// server's key file.
pub(crate) fn resign(files: &Files, genuine: &str, claims: &str) -> String {
    let keys: Value = serde_json::from_slice(&fs::read(files.keys()).unwrap()).unwrap();
    let kid = &token::header(genuine)["kid"];
    let mut keys = keys["access"].as_array().unwrap().iter();
    let key = keys.find(|key| key["key"]["kid"] == *kid).unwrap();
    let part = |name: &str| URL_SAFE_NO_PAD.decode(key["key"][name].as_str().unwrap());
    let [private, x, y] = ["d", "x", "y"].map(|name| part(name).unwrap());
    let point = [&[4][..], &x, &y].concat();
    let curve = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let key = EcdsaKeyPair::from_private_key_and_public_key(curve, &private, &point).unwrap();
    let (header, _) = genuine.split_once('.').unwrap();
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
    let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The secret of a server that was started with `--alg HS256`.
pub(crate) struct Forge(hmac::Key);

impl Forge {
    pub(crate) fn new(files: &Files) -> Self {
        let keys: Value = serde_json::from_slice(&fs::read(files.keys()).unwrap()).unwrap();
        let secret = keys["access"][0]["key"]["k"].as_str().unwrap();
        let secret = URL_SAFE_NO_PAD.decode(secret).unwrap();
        Self(hmac::Key::new(hmac::HMAC_SHA256, &secret))
    }

    /// A token with a genuine signature over any header and claims.
    pub(crate) fn sign(&self, header: &str, claims: &str) -> String {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let signed = format!("{}.{}", encode(header), encode(claims));
        let tag = hmac::sign(&self.0, signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
    }
}
