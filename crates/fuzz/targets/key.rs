//! Keys and key sets in every form, and claims that an application brings.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use token_core::keys::JwkSet;
use token_core::{Algorithm, CustomClaims, SigningKey, VerifyingKey};

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = VerifyingKey::from_jwk(text);
        let _ = SigningKey::from_jwk(text);
        let _ = JwkSet::parse(text, Algorithm::ALL);
        let _ = CustomClaims::from_json(text);
        for &algorithm in Algorithm::ALL {
            let _ = SigningKey::from_pem(text, algorithm);
            let _ = VerifyingKey::from_pem(text, algorithm);
        }
    }
    for &algorithm in Algorithm::ALL {
        let _ = VerifyingKey::from_der(data, algorithm);
        let _ = SigningKey::from_der(data, algorithm);
        let _ = SigningKey::from_secret(data, algorithm);
    }
    let pem = |label| {
        let body = STANDARD.encode(data);
        format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
    };
    for algorithm in [Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256] {
        let _ = SigningKey::from_pem(&pem("PRIVATE KEY"), algorithm);
        let _ = VerifyingKey::from_pem(&pem("PUBLIC KEY"), algorithm);
    }
});
