//! What a key must be to be admitted.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::keys::algorithm::Algorithm;
use crate::keys::error::KeyError;
use crate::keys::private::SigningKey;
use crate::keys::public::VerifyingKey;
use crate::keys::set::JwkSet;
use crate::keys::testing::{key, rsa_jwk};
use crate::types::invalid::InvalidValue;
use crate::types::name::KeyId;
use crate::types::secret::Entropy;

fn public(jwk: &Value) -> Result<VerifyingKey, KeyError> {
    VerifyingKey::from_jwk(&jwk.to_string())
}

fn private(jwk: &Value) -> Result<SigningKey, KeyError> {
    SigningKey::from_jwk(&jwk.to_string())
}

/// The public JWK of a good key.
pub(super) fn good(algorithm: Algorithm) -> Value {
    let jwk = key(algorithm).verifying_key().to_jwk().unwrap();
    serde_json::from_str(&jwk).unwrap()
}

pub(super) fn with(mut jwk: Value, member: &str, value: impl Into<Value>) -> Value {
    jwk[member] = value.into();
    jwk
}

pub(super) fn without(mut jwk: Value, member: &str) -> Value {
    jwk.as_object_mut().unwrap().remove(member);
    jwk
}

pub(super) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(jwk: &Value, member: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD
        .decode(jwk[member].as_str().unwrap())
        .unwrap()
}

#[test]
fn every_key_survives_its_private_jwk() {
    for &algorithm in Algorithm::ALL {
        let key = key(algorithm).with_id(KeyId::new("id").unwrap());
        let again = SigningKey::from_jwk(&key.to_private_jwk().unwrap()).unwrap();
        assert_eq!(again.id(), key.id());
        assert_eq!(again.algorithm(), algorithm);
        let mut signature = [0; 1024];
        let length = again.sign(b"message", &mut signature).unwrap();
        assert!(key.verifying_key().verify(b"message", &signature[..length]));
        assert!(!key.verifying_key().verify(b"other", &signature[..length]));
    }
}

#[test]
fn the_public_jwk_has_no_private_member_and_a_symmetric_key_has_none() {
    for &algorithm in Algorithm::ALL {
        let key = key(algorithm);
        let Some(jwk) = key.verifying_key().to_jwk() else {
            assert!(algorithm.is_symmetric());
            continue;
        };
        let jwk: Value = serde_json::from_str(&jwk).unwrap();
        for member in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(jwk.get(member).is_none(), "{algorithm} {member}");
        }
        assert_eq!(public(&jwk).unwrap().id(), key.id());
    }
}

#[test]
fn generated_rsa_keys_are_admitted() {
    let key = SigningKey::generate(Algorithm::RS256, Entropy::new([0; 64])).unwrap();
    assert_eq!(key.verifying_key().signature_length(), 256);
}

#[test]
fn nothing_of_a_key_is_printed() {
    for &algorithm in Algorithm::ALL {
        let key = key(algorithm);
        let jwk: Value = serde_json::from_str(&key.to_private_jwk().unwrap()).unwrap();
        let secret = jwk.get("d").or(jwk.get("k")).unwrap().as_str().unwrap();
        let printed = format!("{key:?} {:?}", key.verifying_key());
        assert!(!printed.contains(secret));
        assert!(printed.contains("[redacted]"));
    }
}

#[test]
fn pem_and_der_are_read_in_their_standard_forms() {
    let pem = |label: &str, der: &[u8]| {
        format!(
            "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
            STANDARD.encode(der)
        )
    };
    // RFC 8410 section 10: an Ed25519 key.
    let private = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
        -----END PRIVATE KEY-----\n";
    let public = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
        -----END PUBLIC KEY-----\n";
    let signing = SigningKey::from_pem(private, Algorithm::EdDSA).unwrap();
    let verifying = VerifyingKey::from_pem(public, Algorithm::EdDSA).unwrap();
    assert_eq!(signing.id(), verifying.id());
    for wrong in [Algorithm::ES256, Algorithm::RS256, Algorithm::HS256] {
        assert!(SigningKey::from_pem(private, wrong).is_err(), "{wrong}");
        assert!(VerifyingKey::from_pem(public, wrong).is_err(), "{wrong}");
    }
    let form = |result: Result<SigningKey, KeyError>| {
        assert!(matches!(result, Err(KeyError::Form { .. })), "{result:?}");
    };
    form(SigningKey::from_pem(public, Algorithm::EdDSA));
    form(SigningKey::from_pem(
        &format!("{private}{private}"),
        Algorithm::EdDSA,
    ));
    form(SigningKey::from_pem("", Algorithm::EdDSA));
    assert_eq!(
        VerifyingKey::from_pem(&pem("CERTIFICATE", b"0"), Algorithm::EdDSA).unwrap_err(),
        KeyError::Certificate
    );
    let spki = STANDARD.decode(public.lines().nth(1).unwrap()).unwrap();
    let der = VerifyingKey::from_der(&spki, Algorithm::EdDSA).unwrap();
    assert_eq!(der.id(), verifying.id());
    for cut in 0..spki.len() {
        assert!(VerifyingKey::from_der(&spki[..cut], Algorithm::EdDSA).is_err());
    }
    assert!(VerifyingKey::from_der(&[&spki[..], &[0]].concat(), Algorithm::EdDSA).is_err());
}

#[test]
fn a_short_secret_is_refused_with_what_to_do() {
    for (algorithm, min) in [
        (Algorithm::HS256, 32),
        (Algorithm::HS384, 48),
        (Algorithm::HS512, 64),
    ] {
        assert!(SigningKey::from_secret(&vec![1; min], algorithm).is_ok());
        let refused = SigningKey::from_secret(&vec![1; min - 1], algorithm).unwrap_err();
        let bytes = min - 1;
        assert_eq!(
            refused,
            KeyError::SecretTooShort {
                algorithm,
                bytes,
                min
            }
        );
    }
    let sentence = SigningKey::from_secret(&[1; 12], Algorithm::HS256)
        .unwrap_err()
        .to_string();
    assert_eq!(
        sentence,
        "the secret has 12 bytes, and HS256 needs at least 32; use random bytes of that length"
    );
    assert!(SigningKey::from_secret(&[1; 64], Algorithm::EdDSA).is_err());
}

/// RFC 8725 section 2.1: a verifier that uses a public key with HMAC believes everybody.
/// RFC 9864: the same key and the same signatures under two names.
#[test]
fn ed25519_has_two_names_and_its_published_key_hides_from_readers_of_neither() {
    let (old, new) = (key(Algorithm::EdDSA), key(Algorithm::Ed25519));
    assert_eq!(old.id(), new.id());
    let jwk = |key: &SigningKey| -> Value {
        serde_json::from_str(&key.verifying_key().to_jwk().unwrap()).unwrap()
    };
    // Tokens that say `EdDSA` are read with a key that says so; those that say `Ed25519` are read by
    // readers of either name if the key has no `alg`.
    assert_eq!(jwk(&old)["alg"], "EdDSA");
    assert_eq!(jwk(&new).get("alg"), None);
    assert_eq!(without(jwk(&old), "alg"), jwk(&new));
    // What is stored for the owner keeps the choice.
    let stored = SigningKey::from_jwk(&new.to_private_jwk().unwrap()).unwrap();
    assert_eq!(stored.algorithm(), Algorithm::Ed25519);
    for name in ["EdDSA", "Ed25519"] {
        let read = public(&with(jwk(&new), "alg", name)).unwrap();
        assert_eq!(read.algorithm().as_str(), name);
        assert!(read.is_same(old.verifying_key()) && !read.conflicts_with(new.verifying_key()));
    }
    let mismatch = public(&with(good(Algorithm::ES256), "alg", "Ed25519")).unwrap_err();
    let algorithm = Algorithm::Ed25519;
    assert_eq!(mismatch, KeyError::AlgorithmMismatch { algorithm });
    let set = json!({"keys": [with(jwk(&new), "alg", "Ed25519"), jwk(&old)]}).to_string();
    assert_eq!(
        JwkSet::parse(&set, Algorithm::ALL).unwrap().keys.len(),
        1,
        "it is one key"
    );
}

/// Each of them used to be called a key of another kind, or no point of its curve.
#[test]
fn a_key_in_a_form_that_is_not_read_is_called_what_it_is() {
    let pem = |der: &[u8]| {
        let body = STANDARD.encode(der);
        format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
    };
    let of = |identifier: &[u8], point: &[u8]| {
        let lengths = |tag: u8, content: &[u8]| {
            let length = u8::try_from(content.len()).unwrap();
            [&[tag, length], content].concat()
        };
        let bits = [&[0], point].concat();
        let content = [lengths(0x30, identifier), lengths(0x03, &bits)].concat();
        lengths(0x30, &content)
    };
    let jwk = good(Algorithm::ES256);
    let (x, y) = (decode(&jwk, "x"), decode(&jwk, "y"));
    let whole = [&[4], &*x, &*y].concat();
    let half = [&[2 + (y[31] & 1)], &*x].concat();
    let p256 = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
    let secp256k1 = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x0a";
    let good = pem(&of(p256, &whole));
    let read = |text: &str| VerifyingKey::from_pem(text, Algorithm::ES256).map(drop);
    assert_eq!(read(&good), Ok(()));
    assert_eq!(read(&pem(&of(p256, &half))), Err(KeyError::CompressedPoint));
    assert_eq!(read(&pem(&of(secp256k1, &whole))), Err(KeyError::Secp256k1));
    assert_eq!(
        read(&format!("\u{feff}{good}")),
        Err(KeyError::ByteOrderMark)
    );
    let escaped = good.replace('\n', "\\n");
    assert_eq!(read(&escaped), Err(KeyError::EscapedLineBreaks));
    let der = VerifyingKey::from_der(&of(secp256k1, &whole), Algorithm::ES256);
    assert_eq!(der.map(drop), Err(KeyError::Secp256k1));
    let jwk = format!("\u{feff}{jwk}");
    assert_eq!(
        VerifyingKey::from_jwk(&jwk).unwrap_err(),
        KeyError::ByteOrderMark
    );
    let set = "\u{feff}{\"keys\":[]}";
    assert_eq!(
        JwkSet::parse(set, Algorithm::ALL).unwrap_err(),
        KeyError::ByteOrderMark
    );
    // A private key is told alike.
    let private = escaped.replace("PUBLIC", "PRIVATE");
    let fault = SigningKey::from_pem(&private, Algorithm::ES256).unwrap_err();
    assert_eq!(fault, KeyError::EscapedLineBreaks);
}

#[test]
fn a_key_in_pem_is_no_secret() {
    let public = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
        -----END PUBLIC KEY-----\n";
    for text in [public.to_owned(), format!("# ours\n{public}")] {
        let refused = SigningKey::from_secret(text.as_bytes(), Algorithm::HS256).unwrap_err();
        assert_eq!(refused, KeyError::SecretIsPem);
        let jwk = json!({"kty": "oct", "alg": "HS512", "k": encode(&text)});
        assert_eq!(private(&jwk).unwrap_err(), KeyError::SecretIsPem);
    }
}

#[test]
fn weak_rsa_keys_are_refused() {
    let jwk = good(Algorithm::RS256);
    let refused =
        |member: &str, bytes: &[u8]| public(&with(jwk.clone(), member, encode(bytes))).unwrap_err();
    let modulus = decode(&jwk, "n");
    assert_eq!(
        refused("n", &modulus[..128]),
        KeyError::RsaSize { bits: 1024 }
    );
    let mut short = modulus.clone();
    short[0] = 0x7f;
    assert_eq!(refused("n", &short), KeyError::RsaSize { bits: 2047 });
    assert_eq!(
        refused("n", &[0xff; 1025]),
        KeyError::RsaSize { bits: 8200 }
    );
    assert_eq!(
        refused("n", &[&[0], &modulus[..]].concat()),
        KeyError::Member { member: "n" }
    );
    for exponent in [
        &[1][..],
        &[3],
        &[2],
        &[1, 0, 0],
        &[0xff, 0xff],
        &[3, 0, 0, 0, 1],
    ] {
        assert_eq!(refused("e", exponent), KeyError::Exponent, "{exponent:?}");
    }
    let mut even = modulus.clone();
    even[255] &= 0xfe;
    assert_eq!(refused("n", &even), KeyError::SmallFactor);
    // 255 = 3 · 5 · 17 divides every such number.
    assert_eq!(refused("n", &[0xff; 256]), KeyError::SmallFactor);
}

#[test]
fn a_modulus_of_the_roca_family_is_refused() {
    // Two primes k·M + (65537^a mod M), with the M of 2048-bit keys; made for this test.
    let modulus = "z8n_EdcYwBNdyRw8wkhGpA3YPIy7WR8_LdP7_iJJC4T0Kf6p15MoTOB3QHs1rkrJvjHD_aI5GccpDwXD12pDs1Tm-zfbeZLVf-48nQwu93bMGLJaDZEMTV82loUlbTSVLOjC-9PqXRaZu9ZXge-ly4lZvx6oX_lAYZIspY1gcsEoaZbnMxUBSBBmXySjzZoKoTHUMd8rMGyOn-7Bdb7B3IpzW6p_1wD4N1oVV1AEFhhxXP58Wp1-vxFkZSAL4rCxj0tebzIxBWL_9T0qR7ziuh9AtmN7yBz4v0P2BO0-c7FIcUI0UfAKkwvf-h1nBMNZ-olltr2JsTpsgOQEumtyTQ";
    let jwk = with(good(Algorithm::RS256), "n", modulus);
    assert_eq!(public(&jwk).unwrap_err(), KeyError::Roca);
}

#[test]
fn points_off_the_curve_are_refused() {
    for algorithm in [Algorithm::ES256, Algorithm::ES384] {
        let jwk = good(algorithm);
        for member in ["x", "y"] {
            let mut bytes = decode(&jwk, member);
            bytes[5] ^= 1;
            let off = with(jwk.clone(), member, encode(&bytes));
            assert_eq!(public(&off).unwrap_err(), KeyError::NotOnCurve);
            let short = with(jwk.clone(), member, encode(&bytes[1..]));
            assert_eq!(public(&short).unwrap_err(), KeyError::Member { member });
            let zero = with(jwk.clone(), member, encode(vec![0; bytes.len()]));
            assert_eq!(public(&zero).unwrap_err(), KeyError::NotOnCurve);
            let large = with(jwk.clone(), member, encode(vec![0xff; bytes.len()]));
            assert_eq!(public(&large).unwrap_err(), KeyError::NotOnCurve);
        }
    }
}

#[test]
fn ed25519_points_off_the_curve_or_of_small_order_are_refused() {
    let jwk = |x: [u8; 32]| with(good(Algorithm::EdDSA), "x", encode(x));
    let small = |y: u8| {
        let mut x = [0; 32];
        x[0] = y;
        x
    };
    // Euler's criterion says which small y belong to a point.
    for (y, on_curve) in [
        (2, false),
        (3, true),
        (4, true),
        (5, true),
        (6, true),
        (7, false),
        (8, false),
        (9, true),
    ] {
        assert_eq!(public(&jwk(small(y))).is_ok(), on_curve, "{y}");
    }
    let p = |last: u8| {
        let mut x = [0xff; 32];
        (x[0], x[31]) = (last, 0x7f);
        x
    };
    let eight = |hex: &str| {
        let bytes: Vec<u8> = (0..64)
            .step_by(2)
            .map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap())
            .collect();
        <[u8; 32]>::try_from(bytes).unwrap()
    };
    for order in [
        small(0),
        small(1),
        p(0xec),
        eight("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
        eight("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    ] {
        let mut negative = order;
        negative[31] |= 0x80;
        for x in [order, negative] {
            assert_eq!(public(&jwk(x)).unwrap_err(), KeyError::SmallOrder, "{x:?}");
        }
    }
    // p, p + 1 and 2^255 - 1 are other spellings of 0, 1 and 18.
    for x in [p(0xed), p(0xee), p(0xff)] {
        assert_eq!(public(&jwk(x)).unwrap_err(), KeyError::NotOnCurve);
    }
}

#[test]
fn members_of_a_jwk_do_not_contradict_each_other() {
    let es256 = good(Algorithm::ES256);
    let mismatch = |algorithm| KeyError::AlgorithmMismatch { algorithm };
    for (member, value, expected) in [
        ("alg", "ES384", mismatch(Algorithm::ES384)),
        ("alg", "EdDSA", mismatch(Algorithm::EdDSA)),
        ("alg", "RS256", mismatch(Algorithm::RS256)),
        ("alg", "HS256", mismatch(Algorithm::HS256)),
        ("crv", "P-384", mismatch(Algorithm::ES256)),
        ("use", "enc", KeyError::Purpose),
        ("crv", "P-521", KeyError::UnknownType),
        ("crv", "secp256k1", KeyError::Secp256k1),
        ("kty", "ec", KeyError::UnknownType),
        ("kty", "OKP", KeyError::UnknownType),
        ("d", "AA", KeyError::Private),
        ("k", "AA", KeyError::Private),
    ] {
        assert_eq!(
            public(&with(es256.clone(), member, value)).unwrap_err(),
            expected,
            "{member} {value}"
        );
    }
    for alg in ["none", "ES256K", "es256"] {
        let fault = public(&with(es256.clone(), "alg", alg)).unwrap_err();
        assert!(
            matches!(fault, KeyError::Value(InvalidValue::Word { .. })),
            "{alg}"
        );
    }
    for (operations, fine) in [
        (json!(["verify"]), true),
        (json!(["sign", "verify"]), true),
        (json!([]), false),
        (json!(["sign"]), false),
        (json!(["verify", "verify"]), false),
        (json!(["verify", "encrypt"]), false),
    ] {
        let jwk = with(es256.clone(), "key_ops", operations.clone());
        assert_eq!(public(&jwk).is_ok(), fine, "{operations}");
    }
    for member in ["kty", "crv", "x", "y", "alg", "use", "kid", "key_ops"] {
        let jwk = with(es256.clone(), member, 1);
        assert_eq!(public(&jwk).unwrap_err(), KeyError::Type { member });
    }
    for member in ["kty", "crv", "x", "y"] {
        let jwk = without(es256.clone(), member);
        assert_eq!(public(&jwk).unwrap_err(), KeyError::Missing { member });
    }
    assert!(matches!(
        public(&with(es256, "kid", "")),
        Err(KeyError::Value(InvalidValue::Empty { .. }))
    ));
}

#[test]
fn alg_may_be_left_out_only_if_there_is_no_choice() {
    for algorithm in [Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA] {
        assert_eq!(
            public(&without(good(algorithm), "alg"))
                .unwrap()
                .algorithm(),
            algorithm
        );
    }
    let rsa = without(good(Algorithm::RS256), "alg");
    assert_eq!(public(&rsa).unwrap_err(), KeyError::AlgorithmMissing);
    let oct = json!({"kty": "oct", "k": encode([1; 64])});
    assert_eq!(private(&oct).unwrap_err(), KeyError::AlgorithmMissing);
}

#[test]
fn a_jwk_is_strict_json() {
    let jwk = good(Algorithm::EdDSA).to_string();
    let twice = jwk.replacen('{', "{\"x\":\"\",", 1);
    for broken in [&twice, "", "[]", "{", &format!("{jwk}{jwk}")] {
        assert!(
            matches!(VerifyingKey::from_jwk(broken), Err(KeyError::Json(_))),
            "{broken}"
        );
    }
    for text in ["=", "A", "AA==", "+A", ""] {
        let fault = public(&with(good(Algorithm::EdDSA), "x", text)).unwrap_err();
        assert_eq!(fault, KeyError::Member { member: "x" }, "{text}");
    }
}

#[test]
fn both_halves_of_a_private_key_belong_together() {
    for algorithm in [Algorithm::EdDSA, Algorithm::ES256, Algorithm::ES384] {
        let own = key(algorithm).to_private_jwk().unwrap();
        let mut own: Value = serde_json::from_str(&own).unwrap();
        let other = SigningKey::generate(algorithm, Entropy::new([8; 64])).unwrap();
        let other: Value = serde_json::from_str(&other.to_private_jwk().unwrap()).unwrap();
        own["d"] = other["d"].clone();
        assert_eq!(
            private(&own).unwrap_err(),
            KeyError::Inconsistent,
            "{algorithm}"
        );
    }
    let rsa = rsa_jwk(Algorithm::PS256);
    for member in ["d", "p", "q", "dp", "dq", "qi"] {
        let mut bytes = decode(&rsa, member);
        bytes[9] ^= 2;
        let wrong = with(rsa.clone(), member, encode(bytes));
        assert_eq!(
            private(&wrong).unwrap_err(),
            KeyError::Inconsistent,
            "{member}"
        );
    }
    assert_eq!(
        private(&with(rsa, "oth", json!([]))).unwrap_err(),
        KeyError::Purpose
    );
    let public = good(Algorithm::EdDSA);
    assert_eq!(
        private(&public).unwrap_err(),
        KeyError::Missing { member: "d" }
    );
}
