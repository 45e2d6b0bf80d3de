//! The examples of the RFCs, at the layer of keys and signatures: as tokens our profile refuses
//! most of them, for a header without `typ` for instance.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::access::token::UntrustedToken;
use crate::keys::private::SigningKey;
use crate::keys::public::VerifyingKey;

#[derive(Deserialize)]
struct File {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    section: String,
    key: serde_json::Value,
    algorithm: Option<String>,
    signing_input: String,
    signature: String,
    signature_repeats: Option<bool>,
    thumbprint: Option<String>,
    refused: Option<String>,
}

fn run(file: &str) {
    let file: File = serde_json::from_str(file).unwrap();
    assert!(!file.vectors.is_empty());
    for vector in file.vectors {
        let section = &vector.section;
        let mut jwk = vector.key.clone();
        if let (Some(jwk), Some(algorithm)) = (jwk.as_object_mut(), &vector.algorithm) {
            jwk.insert("alg".into(), algorithm.as_str().into());
        }
        let key = SigningKey::from_jwk(&jwk.to_string());
        let message = vector.signing_input.as_bytes();
        if vector.refused.is_some() {
            assert!(key.is_err(), "{section}");
            let token = format!("{}.{}", vector.signing_input, vector.signature);
            assert!(
                vector.algorithm.as_deref() != Some("none")
                    || UntrustedToken::parse(&token).is_err()
            );
            continue;
        }
        let key = key.unwrap_or_else(|error| panic!("{section}: {error}"));
        let signature = URL_SAFE_NO_PAD.decode(&vector.signature).unwrap();
        assert!(key.verifying_key().verify(message, &signature), "{section}");
        for bit in [0, 7 * signature.len() / 2, signature.len() * 8 - 1] {
            let mut wrong = signature.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(!key.verifying_key().verify(message, &wrong), "{section}");
        }
        let mut own = [0; 1024];
        let length = key.sign(message, &mut own).unwrap();
        assert!(
            key.verifying_key().verify(message, &own[..length]),
            "{section}"
        );
        assert_eq!(
            vector.signature_repeats,
            Some(own[..length] == *signature),
            "{section}"
        );
        if let Some(public) = key.verifying_key().to_jwk() {
            let public = VerifyingKey::from_jwk(&public).unwrap();
            assert!(public.verify(message, &signature), "{section}");
        }
        if let Some(thumbprint) = vector.thumbprint {
            assert_eq!(key.id().as_str(), thumbprint, "{section}");
        }
    }
}

#[test]
fn the_examples_of_rfc_7515_appendix_a_hold() {
    run(include_str!("../../tests/vectors/rfc7515.json"));
}

#[test]
fn the_examples_of_rfc_7520_section_4_hold() {
    run(include_str!("../../tests/vectors/rfc7520.json"));
}

#[test]
fn the_examples_of_rfc_8037_appendix_a_hold() {
    run(include_str!("../../tests/vectors/rfc8037.json"));
}
