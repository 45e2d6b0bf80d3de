//! Tokens of other issuers, signed by hand.

use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPairComponents, PublicKeyComponents};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
};
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

/// The keys of RFC 7515 appendix A.2, since making one takes seconds, and of A.3.
static JWKS: LazyLock<[Value; 2]> = LazyLock::new(|| {
    let file: Value = serde_json::from_str(include_str!("../vectors/rfc7515.json")).unwrap();
    [1, 2].map(|index| file["vectors"][index]["key"].clone())
});

fn member(jwk: &Value, name: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap()
}

static PAIR: LazyLock<RsaKeyPair> = LazyLock::new(|| {
    let member = |name: &str| member(&JWKS[0], name);
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

static CURVE_PAIR: LazyLock<EcdsaKeyPair> = LazyLock::new(|| {
    let [x, y, d] = ["x", "y", "d"].map(|name| member(&JWKS[1], name));
    let point = [vec![4], x, y].concat();
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    EcdsaKeyPair::from_private_key_and_public_key(algorithm, &d, &point).unwrap()
});

/// The public RSA key as an issuer publishes it, with these members.
pub(crate) fn jwk(more: Value) -> Value {
    let own = &JWKS[0];
    let mut jwk = serde_json::json!({"kty": "RSA", "kid": KID, "n": own["n"], "e": own["e"]});
    merge(&mut jwk, more);
    jwk
}

/// The same of the key on a curve.
pub(crate) fn curve_jwk(more: Value) -> Value {
    let own = &JWKS[1];
    let mut jwk =
        serde_json::json!({"kty": "EC", "crv": "P-256", "kid": KID, "x": own["x"], "y": own["y"]});
    merge(&mut jwk, more);
    jwk
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token over any texts, with a good signature of this algorithm, whatever the header says.
pub(crate) fn sign(algorithm: &str, header: &str, claims: &str) -> String {
    let input = format!("{}.{}", encode(header), encode(claims));
    let (random, bytes) = (SystemRandom::new(), input.as_bytes());
    let rsa = |padding| {
        let mut signature = vec![0; PAIR.public_modulus_len()];
        PAIR.sign(padding, &random, bytes, &mut signature).unwrap();
        signature
    };
    let signature = match algorithm {
        "ES256" => CURVE_PAIR.sign(&random, bytes).unwrap().as_ref().to_vec(),
        "PS256" => rsa(&RSA_PSS_SHA256),
        "RS256" => rsa(&RSA_PKCS1_SHA256),
        other => panic!("no key for {other}"),
    };
    format!("{input}.{}", encode(signature))
}
