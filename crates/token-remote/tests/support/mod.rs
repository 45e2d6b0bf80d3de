//! What every issuer of these tests has: keys, tokens, and answers as text.

#![allow(unreachable_pub, dead_code, reason = "each test file uses its part")]
#![allow(missing_debug_implementations, reason = "helpers of tests")]
#![allow(clippy::indexing_slicing, reason = "helpers of tests fail like tests")]

pub mod fake;

use std::time::Duration;

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use token_core::foreign::{Discovery, Profile};
use token_core::{Algorithm, Entropy, NoClaims, SigningKey, UnixTime};
use token_remote::{FetchError, RemoteError, RemoteIssuer, RemoteJwks};

pub const AUDIENCE: &str = "https://api.example";
const NOW: u64 = 1_700_000_000;

/// An answer with 200.
pub fn good(content_type: &str, fields: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n{fields}\
         Connection: close\r\n\r\n{body}"
    )
}

/// A public key of RSA without `alg` (RFC 7515 appendix A.2).
pub fn bare_rsa() -> String {
    let file = include_str!("../../../token-core/tests/vectors/rfc7515.json");
    let file: serde_json::Value = serde_json::from_str(file).unwrap();
    let key = &file["vectors"][1]["key"];
    serde_json::json!({"kty": "RSA", "kid": "rsa", "n": key["n"], "e": key["e"]}).to_string()
}

/// The key of that byte.
pub fn key(byte: u8) -> SigningKey {
    SigningKey::generate(Algorithm::EdDSA, Entropy::new([byte; 64])).unwrap()
}

/// Whose tokens a service verifies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Those of this library.
    Own,
    /// Those of another issuer.
    Foreign,
}

/// What verifies them.
#[derive(Clone)]
pub enum Remote {
    Own(RemoteJwks),
    Foreign(RemoteIssuer),
}

impl Remote {
    pub async fn fetch(&self) -> Result<(), FetchError> {
        match self {
            Self::Own(remote) => remote.fetch().await,
            Self::Foreign(remote) => remote.fetch().await,
        }
    }
}

/// The standard form, of an issuer that describes itself as OpenID providers do.
pub const PROFILE: Profile = Profile::RFC9068.discovery(Discovery::OpenId);

/// A token of the issuer at this address, signed with the key of that byte.
pub fn token_of(kind: Kind, issuer: &str, byte: u8) -> String {
    let token = token(issuer, byte);
    match kind {
        Kind::Own => token,
        Kind::Foreign => foreign_token(issuer, byte),
    }
}

/// The same without a session behind it.
pub fn foreign_token(issuer: &str, byte: u8) -> String {
    let claims = format!(
        r#"{{"iss":"{issuer}","aud":"{AUDIENCE}","sub":"alice","client_id":"web",
        "jti":"dbe39bf3-a3ba-4238-a513-f51d6e1691c4","iat":{NOW},"exp":{}}}"#,
        NOW + 300,
    );
    sign(byte, &claims)
}

/// A token of ours.
pub fn token(issuer: &str, byte: u8) -> String {
    token_with(issuer, byte, "")
}

/// The same, bound to the key with this thumbprint.
pub fn bound_token(issuer: &str, byte: u8, thumbprint: &str) -> String {
    token_with(issuer, byte, &format!(r#","cnf":{{"jkt":"{thumbprint}"}}"#))
}

fn token_with(issuer: &str, byte: u8, more: &str) -> String {
    let claims = format!(
        r#"{{"iss":"{issuer}","aud":"{AUDIENCE}","sub":"alice","client_id":"web",
        "sid":"AAAAAAAAAAAAAAAAAAAAAAAA","jti":"AAAAAAAAAAAAAAAAAAAAAA",
        "iat":{NOW},"exp":{},"auth_time":{NOW}{more}}}"#,
        NOW + 300,
    );
    sign(byte, &claims)
}

fn sign(byte: u8, claims: &str) -> String {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[byte; 32]).unwrap();
    let id = key(byte).id().clone();
    let header = format!(r#"{{"alg":"EdDSA","kid":"{id}","typ":"at+jwt"}}"#);
    let input = [&*header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    let input = input.join(".");
    let signature = URL_SAFE_NO_PAD.encode(pair.sign(input.as_bytes()));
    format!("{input}.{signature}")
}

/// As the issuer's tokens are verified in a service.
pub async fn verify_as(remote: &Remote, token: &str) -> Result<(), RemoteError> {
    let now = UnixTime::from_secs(NOW + 10).unwrap();
    match remote {
        Remote::Own(remote) => verify(remote, token).await,
        Remote::Foreign(remote) => {
            let verified = remote.verify_at::<NoClaims>(token, now).await;
            verified.map(drop)
        }
    }
}

pub async fn verify(remote: &RemoteJwks, token: &str) -> Result<(), RemoteError> {
    let now = UnixTime::from_secs(NOW + 10).unwrap();
    remote.verify_at::<NoClaims>(token, now).await.map(|_| ())
}

pub async fn pass(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}
