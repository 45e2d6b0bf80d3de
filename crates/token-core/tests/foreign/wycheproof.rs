//! The sets of Project Wycheproof for JSON Web Signatures and Keys.
//!
//! No package of a registry has them, so `cargo xtask test long` fetches them. Their payloads are no claims. So what
//! they call valid is refused for its payload, and what they call invalid before that is looked at.

use std::collections::BTreeMap;
use std::{env, fs, path::Path};

use serde_json::{Value, json};
use token_core::foreign::{ForeignKeys, ForeignToken, ForeignVerifier, Profile};
use token_core::keys::JwkSet;
use token_core::{Algorithm, NoClaims, UntrustedToken, Verifier, VerifyError};

use crate::sign::now;

const SIGNATURES: &str = "json_web_signature_test.json";
const KEYS: &str = "json_web_key_test.json";

/// What is called valid and is refused, by file and number, and why.
const DISPUTED: [(&str, u64, &str); 10] = [
    (SIGNATURES, 259, NO_CLAIMS),
    (SIGNATURES, 264, NO_CLAIMS),
    (SIGNATURES, 268, NO_CLAIMS),
    (SIGNATURES, 272, NO_CLAIMS),
    (SIGNATURES, 320, NO_CLAIMS),
    (SIGNATURES, 325, NO_CLAIMS),
    (SIGNATURES, 346, OTHER_ALGORITHM),
    (SIGNATURES, 347, NO_ALGORITHM),
    (SIGNATURES, 350, OTHER_ALGORITHM),
    (SIGNATURES, 351, NO_ALGORITHM),
];
const NO_CLAIMS: &str = "an empty payload is refused for its form, since it cannot be claims";
const OTHER_ALGORITHM: &str = "the key says PS256 and the token, of RFC 7520 section 4.2, PS384";
const NO_ALGORITHM: &str = "the key says ES521, which is no algorithm";

/// How far a token gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// The key is refused.
    Key,
    /// The token is refused before its payload.
    Token,
    /// The signature holds.
    Signed,
}

/// How far it gets with the verifier of this library's own tokens. It looks at `typ` before the signature, and these have
/// none or another one, so none gets to its payload.
fn own_verdict(keys: &Value, jws: &str) -> Verdict {
    let keys = match keys["keys"] {
        Value::Array(_) => keys.clone(),
        _ => json!({ "keys": [keys] }),
    };
    let Ok(set) = JwkSet::parse(&keys.to_string(), Algorithm::ALL) else {
        return Verdict::Key;
    };
    let issuer = "https://id.example".parse().unwrap();
    let verifier = Verifier::builder(issuer, "api".parse().unwrap()).keys(&set.keys);
    let Ok(verifier) = verifier.build() else {
        return Verdict::Key;
    };
    let verified = UntrustedToken::parse(jws);
    let verified = verified.and_then(|token| verifier.verify::<NoClaims>(token, now()));
    match verified {
        Ok(_) | Err(VerifyError::Claims(_)) => Verdict::Signed,
        Err(_) => Verdict::Token,
    }
}

fn verdict(keys: &Value, jws: &str) -> Verdict {
    let profile = Profile::RFC9068.untyped();
    let keys = match keys["keys"] {
        Value::Array(_) => keys.clone(),
        _ => json!({ "keys": [keys] }),
    };
    let Ok(keys) = ForeignKeys::parse(&keys.to_string(), &profile) else {
        return Verdict::Key;
    };
    let issuer = || "https://id.example".parse().unwrap();
    let verifier = ForeignVerifier::builder(issuer(), "api".parse().unwrap(), profile);
    let Ok(verifier) = verifier.keys(keys.clone()).build() else {
        return Verdict::Key;
    };
    let Ok(token) = UntrustedToken::parse(jws) else {
        return Verdict::Token;
    };
    let verified: Result<ForeignToken, _> = verifier.verify(token, now());
    match verified {
        Ok(_) | Err(VerifyError::Claims(_)) => Verdict::Signed,
        Err(_) => Verdict::Token,
    }
}

#[test]
#[ignore = "needs the vectors of Project Wycheproof"]
fn what_wycheproof_calls_invalid_is_refused_before_its_payload() {
    let folder = env::var("HALLPASS_WYCHEPROOF").unwrap();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for file in [SIGNATURES, KEYS] {
        let text = fs::read(Path::new(&folder).join("testvectors_v1").join(file)).unwrap();
        let set: Value = serde_json::from_slice(&text).unwrap();
        for group in set["testGroups"].as_array().unwrap() {
            let keys = if group["public"].is_null() {
                &group["private"]
            } else {
                &group["public"]
            };
            for test in group["tests"].as_array().unwrap() {
                let number = test["tcId"].as_u64().unwrap();
                let is_valid = test["result"] == "valid";
                let jws = test["jws"].as_str().unwrap_or_default();
                let (own, verdict) = (own_verdict(keys, jws), verdict(keys, jws));
                assert_ne!(own, Verdict::Signed, "{file} {number}");
                for (verifier, verdict) in [("own", own), ("foreign", verdict)] {
                    let kind = format!("{verifier}: {verdict:?}, {}", test["result"]);
                    *counts.entry(kind).or_default() += 1;
                }
                let mut disputes = DISPUTED.iter();
                let disputed = disputes.find(|(f, n, _)| (*f, *n) == (file, number));
                if let Some((.., why)) = disputed {
                    eprintln!("{file} {number}: {why}");
                }
                // A symmetric key is no key of another issuer.
                let symmetric = keys.to_string().contains("\"oct\"");
                let right = is_valid == (verdict == Verdict::Signed) || (is_valid && symmetric);
                if right == disputed.is_some() {
                    let comment = &test["comment"];
                    wrong.push(format!("{file} {number} {comment}: {verdict:?}"));
                }
            }
        }
    }
    eprintln!("{counts:#?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
