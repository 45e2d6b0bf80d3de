//! Whatever comes in: no parser panics, and nothing that was not signed passes.
//! proptest prints the failing input and its seed.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests fail the test"
)]

mod forge;

use forge::{Claims, HEADER, encode, now, sign, verifier};
use proptest::prelude::*;
use token_core::keys::JwkSet;
use token_core::{Algorithm, CustomClaims, NoClaims, SigningKey, UntrustedToken, VerifyingKey};

fn accepted(token: &str) -> bool {
    UntrustedToken::parse(token)
        .and_then(|token| verifier().verify::<NoClaims>(token, now()))
        .is_ok()
}

/// JSON that is nearly right: fragments of tokens and keys in any order.
fn json_like() -> impl Strategy<Value = String> {
    let fragment = prop_oneof![
        Just("{".to_owned()),
        Just("}".to_owned()),
        Just("[".to_owned()),
        Just("]".to_owned()),
        Just(",".to_owned()),
        Just(":".to_owned()),
        Just("\"".to_owned()),
        Just("\\u0061".to_owned()),
        prop::sample::select(vec![
            "\"kty\"",
            "\"EC\"",
            "\"OKP\"",
            "\"RSA\"",
            "\"oct\"",
            "\"crv\"",
            "\"P-256\"",
            "\"Ed25519\"",
            "\"x\"",
            "\"y\"",
            "\"n\"",
            "\"e\"",
            "\"AQAB\"",
            "\"k\"",
            "\"d\"",
            "\"alg\"",
            "\"HS256\"",
            "\"kid\"",
            "\"k1\"",
            "\"typ\"",
            "\"at+jwt\"",
            "\"keys\"",
            "\"iss\"",
            "\"aud\"",
            "\"exp\"",
            "\"key_ops\"",
            "null",
            "true",
            "-1",
            "1.5",
            "1e400",
        ])
        .prop_map(str::to_owned),
        any::<i64>().prop_map(|number| number.to_string()),
        "\\PC{0,8}",
    ];
    prop::collection::vec(fragment, 0..40).prop_map(|fragments| fragments.concat())
}

proptest! {
    #[test]
    fn no_text_is_accepted_as_a_token(text in "\\PC{0,200}") {
        prop_assert!(!accepted(&text));
    }

    #[test]
    fn no_parts_are_accepted_as_a_token(parts in prop::collection::vec("[A-Za-z0-9_-]{0,80}", 0..5)) {
        prop_assert!(!accepted(&parts.join(".")));
    }

    #[test]
    fn no_signed_bytes_but_ours_are_accepted(header: Vec<u8>, payload: Vec<u8>) {
        prop_assert!(!accepted(&sign(header, &payload)));
        prop_assert!(!accepted(&sign(HEADER, payload)));
    }

    #[test]
    fn no_signed_json_but_ours_is_accepted(header in json_like(), payload in json_like()) {
        prop_assert!(!accepted(&sign(header, &payload)));
        prop_assert!(!accepted(&sign(HEADER, payload)));
    }

    #[test]
    fn one_changed_character_is_enough_to_refuse(at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_.~ -]") {
        let token = Claims::good().token();
        let at = at.index(token.len());
        prop_assume!(token[at..=at] != to);
        let changed = format!("{}{to}{}", &token[..at], &token[at + 1..]);
        prop_assert!(!accepted(&changed));
    }

    #[test]
    fn any_claim_may_hold_any_json_without_a_panic(
        claim in prop::sample::select(vec!["iss", "aud", "sub", "exp", "iat", "sid", "jti", "amr", "scope", "other"]),
        value in json_like(),
    ) {
        accepted(&Claims::good().with(claim, value).token());
    }

    #[test]
    fn no_key_parser_panics(bytes: Vec<u8>, json in json_like(), text in "\\PC{0,200}") {
        for text in [&json, &text] {
            let _ = VerifyingKey::from_jwk(text);
            let _ = SigningKey::from_jwk(text);
            let _ = JwkSet::parse(text, Algorithm::ALL);
            let _ = JwkSet::parse(&format!("{{\"keys\":[{text}]}}"), Algorithm::ALL);
            let _ = CustomClaims::from_json(text);
        }
        for &algorithm in Algorithm::ALL {
            let _ = VerifyingKey::from_der(&bytes, algorithm);
            let _ = SigningKey::from_der(&bytes, algorithm);
            let _ = SigningKey::from_secret(&bytes, algorithm);
            let pem = |label| format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", encode(&bytes));
            let _ = SigningKey::from_pem(&pem("PRIVATE KEY"), algorithm);
            let _ = VerifyingKey::from_pem(&pem("PUBLIC KEY"), algorithm);
            let _ = VerifyingKey::from_pem(&text, algorithm);
        }
    }
}
