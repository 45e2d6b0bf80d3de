//! Tokens with any header and any claims, signed by hand: nothing of this library makes them.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::needless_pass_by_value, reason = "numbers and texts alike")]

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use token_core::foreign::{ForeignKeys, ForeignVerifier, Profile};
use token_core::{Algorithm, Audience, Issuer, KeyRing, SigningKey, UnixTime, Verifier};

pub(crate) const SECRET: [u8; 32] = [42; 32];
pub(crate) const ISSUER: &str = "https://id.example";
pub(crate) const AUDIENCE: &str = "https://api.example";
pub(crate) const NOW: u64 = 1_700_000_000;
pub(crate) const HEADER: &str = r#"{"alg":"HS256","kid":"k1","typ":"at+jwt"}"#;

pub(crate) fn now() -> UnixTime {
    UnixTime::from_secs(NOW).unwrap()
}

pub(crate) fn verifier() -> Verifier {
    let key = SigningKey::from_secret(&SECRET, Algorithm::HS256).unwrap();
    let ring = KeyRing::new(key.with_id("k1".parse().unwrap()));
    let (issuer, audience) = (ISSUER.parse().unwrap(), AUDIENCE.parse().unwrap());
    Verifier::builder(issuer, audience)
        .keys(ring.verifying_keys())
        .build()
        .unwrap()
}

/// The verifier of the same issuer's tokens if it is another's.
pub(crate) fn foreign_verifier() -> ForeignVerifier {
    let key = SigningKey::from_secret(&SECRET, Algorithm::HS256).unwrap();
    let key = key.with_id("k1".parse().unwrap());
    let (issuer, audience) = names();
    ForeignVerifier::builder(issuer, audience, Profile::RFC9068)
        .keys(ForeignKeys::new([key.verifying_key()]))
        .build()
        .unwrap()
}

pub(crate) fn names() -> (Issuer, Audience) {
    (ISSUER.parse().unwrap(), AUDIENCE.parse().unwrap())
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token over any bytes, with a good signature.
pub(crate) fn sign(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    sign_input(&format!("{}.{}", encode(header), encode(payload)))
}

/// A token whose first two parts are these texts, with a good signature.
pub(crate) fn sign_input(input: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &SECRET);
    let tag = hmac::sign(&key, input.as_bytes());
    format!("{input}.{}", encode(tag))
}

/// Claims as text, member by member, so that any of them can be wrong in any way.
#[derive(Clone)]
pub(crate) struct Claims(pub(crate) Vec<(String, String)>);

impl Claims {
    /// Claims that are accepted at [`NOW`].
    pub(crate) fn good() -> Self {
        let members = [
            ("iss", format!("\"{ISSUER}\"")),
            ("aud", format!("\"{AUDIENCE}\"")),
            ("sub", "\"alice\"".into()),
            ("client_id", "\"web\"".into()),
            ("sid", "\"AAAAAAAAAAAAAAAAAAAAAAAA\"".into()),
            ("jti", "\"AAAAAAAAAAAAAAAAAAAAAA\"".into()),
            ("iat", NOW.to_string()),
            ("exp", (NOW + 300).to_string()),
            ("auth_time", (NOW - 60).to_string()),
            ("scope", "\"notes:read\"".into()),
        ];
        Self(members.map(|(name, value)| (name.into(), value)).into())
    }

    /// The same as another issuer writes them after RFC 9068: without our session behind them.
    pub(crate) fn foreign() -> Self {
        let jti = "\"dbe39bf3-a3ba-4238-a513-f51d6e1691c4\"";
        Self::good()
            .without("sid")
            .without("auth_time")
            .with("jti", jti)
    }

    /// Replaces a claim where it stands, or adds it at the end.
    pub(crate) fn with(mut self, name: &str, json: impl ToString) -> Self {
        match self.0.iter_mut().find(|(own, _)| own == name) {
            Some((_, value)) => *value = json.to_string(),
            None => self.0.push((name.into(), json.to_string())),
        }
        self
    }

    /// Adds a claim once more.
    pub(crate) fn and(mut self, name: &str, json: impl ToString) -> Self {
        self.0.push((name.into(), json.to_string()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.retain(|(own, _)| own != name);
        self
    }

    pub(crate) fn json(&self) -> String {
        let members = self
            .0
            .iter()
            .map(|(name, value)| format!("\"{name}\":{value}"));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    }

    pub(crate) fn token(&self) -> String {
        sign(HEADER, self.json())
    }
}
