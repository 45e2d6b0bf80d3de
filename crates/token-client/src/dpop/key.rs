//! The key of a login.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// A key pair on P-256. `Debug` does not show it, and it is wiped from memory when the last clone is dropped.
#[derive(Clone)]
pub(crate) struct ClientKey(Arc<Parts>);

struct Parts {
    pair: EcdsaKeyPair,
    /// PKCS#8 in base64url, as it is stored.
    text: Zeroizing<String>,
    /// The header of each proof: only its claims differ.
    header: String,
}

impl ClientKey {
    /// A new key.
    pub(crate) fn generate() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
        let pair = pair.expect("aws-lc ends the process itself if the system has no entropy");
        let pkcs8 = pair.to_pkcs8v1().expect("a key on P-256 has that form");
        let text = Zeroizing::new(BASE64URL.encode(&pkcs8));
        Self::new(pair, text)
    }

    fn read(text: String) -> Option<Self> {
        let text = Zeroizing::new(text);
        let pkcs8 = Zeroizing::new(BASE64URL.decode(&*text).ok()?);
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8).ok()?;
        Some(Self::new(pair, text))
    }

    fn new(pair: EcdsaKeyPair, text: Zeroizing<String>) -> Self {
        let point = pair.public_key().as_ref();
        // SEC 1 section 2.3.3: one octet, and then both coordinates.
        let (x, y) = point.get(1..).unwrap_or_default().split_at(32);
        let [x, y] = [x, y].map(|number| BASE64URL.encode(number));
        let header = format!(
            r#"{{"typ":"dpop+jwt","alg":"ES256","jwk":{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}}}"#
        );
        let header = BASE64URL.encode(header);
        Self(Arc::new(Parts { pair, text, header }))
    }

    /// A JWS in compact form, with the public key in its header.
    pub(super) fn sign(&self, claims: &[u8]) -> String {
        let mut text = format!("{}.{}", self.0.header, BASE64URL.encode(claims));
        let signature = self.0.pair.sign(&SystemRandom::new(), text.as_bytes());
        let signature = signature.expect("a key on P-256 signs every text");
        text.push('.');
        BASE64URL.encode_string(signature, &mut text);
        text
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientKey([redacted])")
    }
}

impl<'de> Deserialize<'de> for ClientKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::read(text).ok_or_else(|| D::Error::custom("it is no key on P-256"))
    }
}

impl Serialize for ClientKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.text)
    }
}
