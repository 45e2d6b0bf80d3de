//! Tokens that are bound to a key of their client, in another service.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test")]

#[path = "../../token-core/tests/support/software_key.rs"]
mod software_key;
mod support;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use software_key::SoftwareKey;
use support::fake::{FakeIssuer, set};
use support::{AUDIENCE, Kind, bound_token, token};
use token_core::access::ClaimsError;
use token_core::binding::dpop::{Expected, Target, UntrustedProof, VerifiedProof};
use token_core::{NoClaims, UnixTime, VerifyError};
use token_remote::{RemoteError, RemoteJwks};

const NOW: u64 = 1_700_000_010;

fn now() -> UnixTime {
    UnixTime::from_secs(NOW).unwrap()
}

/// A proof for a request with this token, as the service verifies it.
fn proof(key: &SoftwareKey, token: &str) -> VerifiedProof {
    let hash = URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes()));
    let header = format!(r#"{{"alg":"ES256","jwk":{},"typ":"dpop+jwt"}}"#, key.jwk());
    let claims =
        format!(r#"{{"jti":"1","htm":"GET","htu":"{AUDIENCE}/notes","iat":{NOW},"ath":"{hash}"}}"#);
    let expected = Expected {
        method: "GET",
        target: Target {
            origin: AUDIENCE,
            path: "/notes",
        },
        token: Some(token.as_bytes()),
        nonces: None,
    };
    let text = key.sign(&header, &claims);
    let proof = UntrustedProof::parse(&text).unwrap();
    proof.verify(&expected, now()).unwrap()
}

async fn verify(
    remote: &RemoteJwks,
    token: &str,
    proof: Option<&VerifiedProof>,
) -> Result<(), VerifyError> {
    match remote.verify_with::<NoClaims>(token, proof, now()).await {
        Ok(_) => Ok(()),
        Err(RemoteError::Invalid(error)) => Err(error),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_bound_token_is_accepted_with_a_proof_of_its_key_alone() {
    let issuer = FakeIssuer::start(Kind::Own, set(&[1], 300));
    let remote = RemoteJwks::builder(issuer.url.parse().unwrap(), AUDIENCE.parse().unwrap());
    let remote = remote.build().unwrap();
    let [key, other] = [SoftwareKey::new(), SoftwareKey::new()];
    let thumbprint = proof(&key, "").thumbprint();
    let bound = bound_token(&issuer.url, 1, &thumbprint.to_string());
    let proven = proof(&key, &bound);
    assert_eq!(verify(&remote, &bound, Some(&proven)).await, Ok(()));

    let stolen = proof(&other, &bound);
    let refused = verify(&remote, &bound, Some(&stolen)).await;
    assert_eq!(refused, Err(VerifyError::WrongKey));
    let bearer = verify(&remote, &bound, None).await;
    assert_eq!(bearer, Err(ClaimsError::BoundToKey.into()));
    let simple = remote.verify_at::<NoClaims>(&bound, now()).await;
    assert!(matches!(
        simple,
        Err(RemoteError::Invalid(VerifyError::Claims(
            ClaimsError::BoundToKey
        )))
    ));

    // A token that is bound to nothing is not made safer by a proof.
    let unbound = token(&issuer.url, 1);
    let proven = proof(&key, &unbound);
    let refused = verify(&remote, &unbound, Some(&proven)).await;
    assert_eq!(refused, Err(VerifyError::NotBound));
    assert_eq!(verify(&remote, &unbound, None).await, Ok(()));
}
