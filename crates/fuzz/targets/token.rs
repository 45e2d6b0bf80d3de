//! Access tokens and refresh tokens: as they come, and with a good signature over any header and
//! any claims.
#![no_main]

use std::sync::LazyLock;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use token_core::{
    Algorithm, Audience, Issuer, KeyRing, NoClaims, RefreshKey, RefreshKeyRing, SigningKey,
    UnixTime, UntrustedToken, Verifier,
};

const SECRET: [u8; 32] = [42; 32];
const ISSUER: &str = "https://id.example";
const AUDIENCE: &str = "https://api.example";
const NOW: u64 = 1_700_000_000;

struct World {
    issuer: Issuer,
    audience: Audience,
    verifier: Verifier,
    ring: RefreshKeyRing,
    access_tag: hmac::Key,
    refresh_tag: hmac::Key,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let issuer: Issuer = ISSUER.parse().expect("an issuer");
    let audience: Audience = AUDIENCE.parse().expect("an audience");
    let key = SigningKey::from_secret(&SECRET, Algorithm::HS256).expect("32 bytes");
    let keys = KeyRing::new(key.with_id("k1".parse().expect("an id")));
    let verifier = Verifier::builder(issuer.clone(), audience.clone()).keys(keys.verifying_keys());
    let refresh = RefreshKey::new("r1".parse().expect("an id"), &SECRET).expect("32 bytes");
    // The ring derives its signing key from the secret.
    let secret = hmac::Key::new(hmac::HMAC_SHA256, &SECRET);
    let derived = hmac::sign(&secret, b"refresh token signature v1");
    World {
        verifier: verifier.build().expect("a verifier"),
        issuer,
        audience,
        ring: RefreshKeyRing::new(refresh),
        refresh_tag: hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()),
        access_tag: secret,
    }
});

fn sign(header: &[u8], payload: &[u8], key: &hmac::Key) -> String {
    let [header, payload] = [header, payload].map(|part| URL_SAFE_NO_PAD.encode(part));
    let input = format!("{header}.{payload}");
    let tag = URL_SAFE_NO_PAD.encode(hmac::sign(key, input.as_bytes()));
    format!("{input}.{tag}")
}

/// Reads it as an access token. What passes must hold what another reader of JSON finds in it.
fn access(token: &str) {
    let now = UnixTime::from_secs(NOW).expect("a time");
    let Ok(token) = UntrustedToken::parse(token).and_then(|parsed| {
        WORLD
            .verifier
            .verify::<NoClaims>(parsed, now)
            .map(|_| token)
    }) else {
        return;
    };
    let payload = token.split('.').nth(1).expect("a payload");
    let payload = URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    let claims: Value = serde_json::from_slice(&payload).expect("JSON");
    assert_eq!(claims["iss"], ISSUER);
    assert!(
        claims["sub"]
            .as_str()
            .is_some_and(|subject| !subject.is_empty())
    );
    assert!(claims["exp"].as_f64().is_some_and(|exp| exp > NOW as f64));
    assert!(claims["jti"].is_string() && claims["sid"].is_string() && claims["iat"].is_number());
    match &claims["aud"] {
        Value::Array(audiences) => assert!(audiences.contains(&AUDIENCE.into())),
        one => assert_eq!(one, AUDIENCE),
    }
}

fn refresh(token: &str) -> bool {
    WORLD
        .ring
        .verify(token, &WORLD.issuer, &WORLD.audience)
        .is_ok()
}

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    access(&text);
    refresh(&text);

    // A line, or a header that is known, and the claims.
    let mut parts = data.splitn(2, |byte| *byte == b'\n');
    let (header, payload) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let known: &[u8] = br#"{"alg":"HS256","kid":"k1","typ":"at+jwt"}"#;
    access(&sign(
        if header.is_empty() { known } else { header },
        payload,
        &WORLD.access_tag,
    ));
    let known: &[u8] = br#"{"alg":"HS256","kid":"r1","typ":"rt+jwt"}"#;
    let header = if header.is_empty() { known } else { header };
    refresh(&sign(header, payload, &WORLD.refresh_tag));
    // What is signed for one purpose never passes for another.
    assert!(!refresh(&sign(header, payload, &WORLD.access_tag)));
});
