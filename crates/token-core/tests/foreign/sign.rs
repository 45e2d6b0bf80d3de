//! Tokens of other issuers, signed with RSA by hand.

use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPairComponents, PublicKeyComponents};
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use token_core::UnixTime;

use crate::issuers::merge;

pub(crate) const NOW: u64 = 1_700_000_000;
pub(crate) const KID: &str = "kid-of-the-issuer";

pub(crate) fn now() -> UnixTime {
    UnixTime::from_secs(NOW).unwrap()
}

/// The key of RFC 7515 appendix A.2: making one takes seconds.
static JWK: LazyLock<Value> = LazyLock::new(|| {
    let file: Value = serde_json::from_str(include_str!("../vectors/rfc7515.json")).unwrap();
    file["vectors"][1]["key"].clone()
});

static PAIR: LazyLock<RsaKeyPair> = LazyLock::new(|| {
    let member = |name: &str| URL_SAFE_NO_PAD.decode(JWK[name].as_str().unwrap()).unwrap();
    RsaKeyPair::from_components(&KeyPairComponents {
        public_key: PublicKeyComponents {
            n: member("n"),
            e: member("e"),
        },
        d: member("d"),
        p: member("p"),
        q: member("q"),
        dP: member("dp"),
        dQ: member("dq"),
        qInv: member("qi"),
    })
    .unwrap()
});

/// The public key as an issuer publishes it, with these members.
pub(crate) fn jwk(more: Value) -> Value {
    let mut jwk = serde_json::json!({"kty": "RSA", "kid": KID, "n": JWK["n"], "e": JWK["e"]});
    merge(&mut jwk, more);
    jwk
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token over any texts, with a good signature.
pub(crate) fn sign(header: &str, claims: &str) -> String {
    let input = format!("{}.{}", encode(header), encode(claims));
    let mut signature = vec![0; PAIR.public_modulus_len()];
    PAIR.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        input.as_bytes(),
        &mut signature,
    )
    .unwrap();
    format!("{input}.{}", encode(signature))
}
