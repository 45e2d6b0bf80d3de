//! Proofs at a service that has no sessions of its own.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Request;
use serde_json::json;
use token_core::UnixTime;
use token_core::binding::dpop::{NonceKeys, VerifiedProof};
use token_http::{ConfigError, Head, ProofVerifier, Refusal};

use crate::software_key::SoftwareKey;
use crate::world::OWN;

const TOKEN: &str = "a.token.text";

fn verifier() -> ProofVerifier {
    ProofVerifier::new(OWN.parse().unwrap())
}

fn now() -> UnixTime {
    UnixTime::from_secs(1_700_000_000).unwrap()
}

/// What the verifier says of a request to `/notes`, with a proof for `path` and this nonce.
fn verify(
    verifier: &ProofVerifier,
    path: &str,
    nonce: Option<&str>,
) -> Result<VerifiedProof, Refusal> {
    let key = SoftwareKey::new();
    let mut claims = json!({
        "jti": "one",
        "htm": "GET",
        "htu": format!("{OWN}{path}"),
        "iat": now().as_secs(),
        "ath": URL_SAFE_NO_PAD.encode(digest(&SHA256, TOKEN.as_bytes())),
    });
    if let Some(nonce) = nonce {
        claims["nonce"] = nonce.into();
    }
    let header = format!(r#"{{"alg":"ES256","jwk":{},"typ":"dpop+jwt"}}"#, key.jwk());
    let proof = key.sign(&header, &claims.to_string());
    let request = Request::get("/notes").header("dpop", proof).body(());
    let (parts, ()) = request.unwrap().into_parts();
    let head = Head {
        method: &parts.method,
        uri: &parts.uri,
        headers: &parts.headers,
        peer: None,
    };
    verifier.verify(&head, TOKEN, now())
}

#[test]
fn a_base_path_is_checked_when_it_is_set() {
    for bad in [
        "app",
        "/app/",
        "/",
        "//app",
        "/a b",
        "/a?b",
        "https://own.example/app",
    ] {
        let refused = verifier().base_path(bad).map(|_| ());
        assert_eq!(refused, Err(ConfigError::DpopBasePath), "{bad}");
    }
    for (good, asked) in [
        ("", "/notes"),
        ("/app", "/app/notes"),
        ("/a/b", "/a/b/notes"),
    ] {
        let verifier = verifier().base_path(good).unwrap();
        assert!(verify(&verifier, asked, None).is_ok(), "{good}");
        assert_eq!(
            verify(&verifier, "/elsewhere/notes", None)
                .unwrap_err()
                .code(),
            "invalid_dpop_proof"
        );
    }
}

#[test]
fn a_nonce_is_demanded_only_if_the_service_says_so() {
    assert!(verify(&verifier(), "/notes", None).is_ok());
    assert!(verify(&verifier(), "/notes", Some("whatever")).is_ok());

    let keys = NonceKeys::new([[1; 32]]);
    let demanding = verifier().nonces(keys.clone());
    let current = keys.current(now()).unwrap();
    for wrong in [None, Some("whatever"), Some("")] {
        let refused = verify(&demanding, "/notes", wrong).unwrap_err();
        assert_eq!(refused, Refusal::UseDpopNonce(current), "{wrong:?}");
    }
    assert!(verify(&demanding, "/notes", Some(current.as_str())).is_ok());
    // Another service's nonces are worth nothing here.
    let other = NonceKeys::new([[2; 32]]).current(now()).unwrap();
    let refused = verify(&demanding, "/notes", Some(other.as_str())).unwrap_err();
    assert_eq!(refused, Refusal::UseDpopNonce(current));
}
