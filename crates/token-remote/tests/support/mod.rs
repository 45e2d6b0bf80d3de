//! What every issuer of these tests has: keys, tokens, and answers as text.

#![allow(unreachable_pub, dead_code, reason = "each test file uses its part")]

use std::time::Duration;

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use token_core::{Algorithm, Entropy, NoClaims, SigningKey, UnixTime};
use token_remote::{RemoteError, RemoteJwks};

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

/// The key of that byte.
pub fn key(byte: u8) -> SigningKey {
    SigningKey::generate(Algorithm::EdDSA, Entropy::new([byte; 64])).unwrap()
}

/// A token of the issuer at this address, signed with the key of that byte.
pub fn token(issuer: &str, byte: u8) -> String {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[byte; 32]).unwrap();
    let id = key(byte).id().clone();
    let header = format!(r#"{{"alg":"EdDSA","kid":"{id}","typ":"at+jwt"}}"#);
    let claims = format!(
        r#"{{"iss":"{issuer}","aud":"{AUDIENCE}","sub":"alice","client_id":"web",
        "sid":"AAAAAAAAAAAAAAAAAAAAAAAA","jti":"AAAAAAAAAAAAAAAAAAAAAA",
        "iat":{NOW},"exp":{},"auth_time":{NOW}}}"#,
        NOW + 300,
    );
    let input = [header, claims]
        .map(|part| URL_SAFE_NO_PAD.encode(part))
        .join(".");
    let signature = URL_SAFE_NO_PAD.encode(pair.sign(input.as_bytes()));
    format!("{input}.{signature}")
}

pub async fn verify(remote: &RemoteJwks, token: &str) -> Result<(), RemoteError> {
    let now = UnixTime::from_secs(NOW + 10).unwrap();
    remote.verify_at::<NoClaims>(token, now).await.map(|_| ())
}

pub async fn pass(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}
