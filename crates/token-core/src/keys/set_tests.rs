//! What a set of keys must be, and that one bad key spoils no other.

use serde_json::{Value, json};

use crate::jose::json::JsonError;
use crate::keys::algorithm::Algorithm;
use crate::keys::error::KeyError;
use crate::keys::private::SigningKey;
use crate::keys::public::VerifyingKey;
use crate::keys::set::JwkSet;
use crate::keys::testing::key;
use crate::keys::tests::{encode, good, with, without};
use crate::types::secret::Entropy;

#[test]
fn one_bad_key_does_not_spoil_a_set() {
    let oct = json!({"kty": "oct", "alg": "HS256", "k": encode([1; 32])});
    let leaked: Value =
        serde_json::from_str(&key(Algorithm::ES384).to_private_jwk().unwrap()).unwrap();
    let twice = r#"{"kty":"OKP","kty":"EC"}"#;
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(500), "]".repeat(500));
    let set = json!({"keys": [
        good(Algorithm::EdDSA), oct, leaked, 1, {"kty": "unheard-of"}, {"kty": "oct", "k": 1},
        "twice", "deep", good(Algorithm::ES256),
    ]});
    let set = set
        .to_string()
        .replace("\"twice\"", twice)
        .replace("\"deep\"", &deep);
    let set = JwkSet::parse(&set, Algorithm::ALL).unwrap();
    let algorithms: Vec<_> = set.keys.iter().map(VerifyingKey::algorithm).collect();
    assert_eq!(algorithms, [Algorithm::EdDSA, Algorithm::ES256]);
    let refused: Vec<_> = set.refused.clone();
    assert_eq!(refused[0], (1, KeyError::Symmetric));
    assert_eq!(refused[1], (2, KeyError::Private));
    assert!(matches!(refused[2], (3, KeyError::Json(_))));
    assert_eq!(refused[3], (4, KeyError::UnknownType));
    assert_eq!(refused[4], (5, KeyError::Symmetric));
    assert_eq!(refused[5], (6, KeyError::Json(JsonError::DuplicateMember)));
    assert!(matches!(refused[6], (7, KeyError::Json(_))));
}

/// As issuers publish that write each key once for every tenant.
#[test]
fn the_same_key_twice_is_one_key() {
    let (a, b) = (good(Algorithm::EdDSA), good(Algorithm::ES256));
    let set = json!({"keys": [a, b, a, a]}).to_string();
    let set = JwkSet::parse(&set, Algorithm::ALL).unwrap();
    let algorithms: Vec<_> = set.keys.iter().map(VerifyingKey::algorithm).collect();
    assert_eq!(algorithms, [Algorithm::EdDSA, Algorithm::ES256]);
    assert!(set.refused.is_empty());
}

#[test]
fn keys_that_the_algorithm_tells_apart_may_share_an_id_and_a_key_may_have_two() {
    let (rsa, ec) = (good(Algorithm::RS256), good(Algorithm::ES256));
    let ed = good(Algorithm::EdDSA);
    for alternatives in [
        [with(rsa, "kid", "1"), with(ec, "kid", "1")],
        [ed.clone(), with(ed, "kid", "another")],
    ] {
        let set =
            JwkSet::parse(&json!({"keys": alternatives}).to_string(), Algorithm::ALL).unwrap();
        assert_eq!(set.keys.len(), 2);
        assert!(set.refused.is_empty());
    }
}

#[test]
fn keys_of_a_set_that_cannot_be_told_apart_are_all_refused() {
    let a = good(Algorithm::EdDSA);
    let other = SigningKey::generate(Algorithm::EdDSA, Entropy::new([99; 64])).unwrap();
    let other = other.verifying_key().to_jwk().unwrap();
    let other: Value = serde_json::from_str(&other).unwrap();
    let (pss, pkcs) = (good(Algorithm::PS256), good(Algorithm::RS256));
    for twins in [
        [a.clone(), with(other, "kid", a["kid"].clone())],
        [with(pss, "kid", "pss"), with(pkcs, "kid", "pkcs")],
    ] {
        let other = good(Algorithm::ES384);
        let set = JwkSet::parse(
            &json!({"keys": [twins[0], other, twins[1]]}).to_string(),
            Algorithm::ALL,
        )
        .unwrap();
        assert_eq!(set.keys.len(), 1);
        let refused: Vec<_> = set.refused.clone();
        assert_eq!(
            refused,
            [(0, KeyError::Duplicate), (2, KeyError::Duplicate)]
        );
    }
}

#[test]
fn a_document_that_is_not_a_jwk_set_is_refused() {
    for other in [
        "[]",
        "{}",
        r#"{"keys":{}}"#,
        r#"{"keys":null}"#,
        r#"{"key\u0073s":[]}"#,
    ] {
        assert_eq!(
            JwkSet::parse(other, Algorithm::ALL).unwrap_err(),
            KeyError::NotASet,
            "{other}"
        );
    }
    for twice in [
        r#"{"keys":[],"keys":[]}"#,
        r#"{"keys":[],"key\u0073":[]}"#,
        r#"{"next":1,"keys":[],"next":1}"#,
    ] {
        assert_eq!(
            JwkSet::parse(twice, Algorithm::ALL).unwrap_err(),
            KeyError::Json(JsonError::DuplicateMember),
            "{twice}"
        );
    }
    for broken in ["{", r#"{"keys":[]}{}"#, r#"{"keys":[]"#] {
        assert!(
            matches!(
                JwkSet::parse(broken, Algorithm::ALL),
                Err(KeyError::Json(_))
            ),
            "{broken}"
        );
    }
    let many = json!({"keys": vec![1; 65]}).to_string();
    assert_eq!(
        JwkSet::parse(&many, Algorithm::ALL).unwrap_err(),
        KeyError::TooManyKeys { count: 65 }
    );
    let long = " ".repeat(JwkSet::MAX_LENGTH + 1);
    assert!(matches!(
        JwkSet::parse(&long, Algorithm::ALL),
        Err(KeyError::SetTooLong { .. })
    ));
}

#[test]
fn an_rsa_key_without_alg_serves_the_one_algorithm_of_rsa_that_was_chosen() {
    let bare = without(good(Algorithm::RS256), "alg");
    let set = json!({"keys": [bare, good(Algorithm::ES256)]}).to_string();
    let parse = |algorithms: &[Algorithm]| {
        let JwkSet { keys, refused } = JwkSet::parse(&set, algorithms).unwrap();
        let algorithms: Vec<_> = keys.iter().map(VerifyingKey::algorithm).collect();
        (algorithms, refused)
    };
    let (rs256, es256, ps256) = (Algorithm::RS256, Algorithm::ES256, Algorithm::PS256);
    assert_eq!(parse(&[rs256, es256]), (vec![rs256, es256], vec![]));
    assert_eq!(parse(&[ps256, es256]), (vec![ps256, es256], vec![]));
    let missing = vec![(0, KeyError::AlgorithmMissing)];
    assert_eq!(parse(&[es256]), (vec![es256], missing.clone()));
    assert_eq!(parse(&[rs256, ps256, es256]), (vec![es256], missing));
    let other = KeyError::NotChosen { algorithm: es256 };
    assert_eq!(parse(&[rs256]), (vec![rs256], vec![(1, other)]));
}
