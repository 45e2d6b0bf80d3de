//! Makes tokens with the server's own secret, each with one fault.

use std::fs;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::server::Files;

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
