//! Each rule of a refresh token, broken alone. Signed by hand: nothing of this library makes them.

#![allow(clippy::unwrap_used, reason = "a test")]

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use token_core::access::{ClaimsError, FormError};
use token_core::session::RefreshClaims;
use token_core::{Audience, Issuer, KeyId, RefreshKey, RefreshKeyRing, Transport, VerifyError};

const SECRET: [u8; 32] = [42; 32];
const HEADER: &str = r#"{"alg":"HS256","kid":"r1","typ":"rt+jwt"}"#;
const CLAIMS: &str = r#"{"iss":"https://id.example","aud":"https://api.example","sub":"alice","sid":"AAAAAAAAAAAAAAAAAAAAAAAA","gen":3,"jti":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","iat":1700000000,"exp":1731536000,"scope":"notes:read","transport":"header"}"#;

fn verify_for(token: &str, issuer: &str, audience: &str) -> Result<RefreshClaims, VerifyError> {
    let key = RefreshKey::new(KeyId::new("r1").unwrap(), &SECRET).unwrap();
    let (issuer, audience) = (
        Issuer::new(issuer).unwrap(),
        Audience::new(audience).unwrap(),
    );
    RefreshKeyRing::new(key).verify(token, &issuer, &audience)
}

fn fault(token: &str) -> Option<VerifyError> {
    verify_for(token, "https://id.example", "https://api.example").err()
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A tag as the ring makes it: the signing key is derived from the secret, so the secret itself,
/// taken for the key of another purpose, signs nothing here.
fn sign(header: &str, claims: impl AsRef<[u8]>) -> String {
    let hs256 = |key: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, key);
    let key = hmac::sign(&hs256(&SECRET), b"refresh token signature v1");
    let input = format!("{}.{}", encode(header), encode(claims));
    let tag = hmac::sign(&hs256(key.as_ref()), input.as_bytes());
    format!("{input}.{}", encode(tag))
}

fn with(from: &str, to: &str) -> String {
    assert!(CLAIMS.contains(from), "{from}");
    sign(HEADER, CLAIMS.replacen(from, to, 1))
}

#[test]
fn a_good_refresh_token_is_read() {
    let token = sign(HEADER, CLAIMS);
    let claims = verify_for(&token, "https://id.example", "https://api.example").unwrap();
    assert_eq!(claims.subject.as_str(), "alice");
    assert_eq!(claims.generation.0, 3);
    assert_eq!(claims.transport, Transport::Header);
    assert_eq!(
        fault(&with(r#","scope":"notes:read""#, "")),
        None,
        "no scope"
    );
}

#[test]
fn a_token_for_somebody_else_is_refused() {
    let token = sign(HEADER, CLAIMS);
    for (issuer, audience, wanted) in [
        (
            "https://id.example/",
            "https://api.example",
            VerifyError::WrongIssuer,
        ),
        (
            "https://id.example",
            "https://API.example",
            VerifyError::WrongAudience,
        ),
        (
            "https://evil.example",
            "https://evil.example",
            VerifyError::WrongIssuer,
        ),
    ] {
        let fault = verify_for(&token, issuer, audience).unwrap_err();
        assert_eq!(fault, wanted, "{issuer} {audience}");
    }
    let several = with(r#""https://api.example""#, r#"["https://api.example"]"#);
    assert_eq!(
        fault(&several),
        Some(VerifyError::Claims(ClaimsError::OfRefreshToken))
    );
}

#[test]
fn only_the_header_that_we_write_is_known() {
    for header in [
        r#"{"alg":"HS256","kid":"r2","typ":"rt+jwt"}"#,
        r#"{"alg":"HS256","kid":"r1","typ":"at+jwt"}"#,
        r#"{"alg":"HS256","kid":"r1","typ":"RT+JWT"}"#,
        r#"{"alg":"none","kid":"r1","typ":"rt+jwt"}"#,
        r#"{"kid":"r1","alg":"HS256","typ":"rt+jwt"}"#,
        r#"{"alg":"HS256","kid":"r1","typ":"rt+jwt","crit":[]}"#,
        r#"{"alg":"HS256","kid":"r1","typ":"rt+jwt"} "#,
        "",
    ] {
        assert_eq!(
            fault(&sign(header, CLAIMS)),
            Some(VerifyError::UnknownKey),
            "{header}"
        );
    }
}

#[test]
fn a_text_without_three_parts_is_refused() {
    let token = sign(HEADER, CLAIMS);
    let (input, tag) = token.rsplit_once('.').unwrap();
    for text in [
        "",
        "a",
        "a.b",
        input,
        &format!("{input}."),
        &format!("{token}="),
        &format!("{token} "),
        &format!("{input}.{}", &tag[..42]),
        &format!("{input}.{tag}A"),
        &format!("{token}.{tag}"),
        &"a".repeat(8 * 1024 + 1),
    ] {
        let fault = fault(text);
        assert!(
            matches!(
                fault,
                Some(VerifyError::Form(_) | VerifyError::UnknownKey | VerifyError::Signature)
            ),
            "{text}: {fault:?}"
        );
    }
}

#[test]
fn too_long_a_refresh_token_is_refused_unread() {
    let longest = 8 * 1024;
    let too_long = |length| VerifyError::Form(FormError::TooLong { length });
    assert_ne!(fault(&"a".repeat(longest)), Some(too_long(longest)));
    for length in [longest + 1, longest + 2, 2 * longest] {
        assert_eq!(fault(&"a".repeat(length)), Some(too_long(length)));
    }
}

#[test]
fn a_key_is_printed_by_its_name_alone() {
    let key = RefreshKey::new(KeyId::new("r1").unwrap(), &SECRET).unwrap();
    assert_eq!(format!("{key:?}"), r#"RefreshKey { kid: KeyId("r1"), .. }"#);
}

#[test]
fn a_refresh_token_with_another_signature_is_refused() {
    let token = sign(HEADER, CLAIMS);
    let (input, _) = token.rsplit_once('.').unwrap();
    let underived = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, &SECRET),
        input.as_bytes(),
    );
    for tag in [encode([0; 32]), encode(underived)] {
        let forged = format!("{input}.{tag}");
        assert_eq!(fault(&forged), Some(VerifyError::Signature));
    }
}

#[test]
fn claims_are_exactly_those_that_we_write() {
    for (from, to) in [
        ("{", r#"{"sub":"mallory","#),
        ("{", r#"{"admin":true,"#),
        (r#""sub":"alice","#, ""),
        (r#""sub":"alice""#, r#""sub":"""#),
        (r#""sub":"alice""#, r#""sub":1"#),
        (r#""gen":3"#, r#""gen":-1"#),
        (r#""gen":3"#, r#""gen":3.0"#),
        (r#""gen":3"#, r#""gen":"3""#),
        (r#""gen":3"#, r#""gen":18446744073709551616"#),
        (r#""iat":1700000000"#, r#""iat":"1700000000""#),
        (r#""exp":1731536000"#, r#""exp":253402300800"#),
        (r#""exp":1731536000"#, r#""exp":1e9"#),
        (r#""sid":"AAAA"#, r#""sid":"AAA"#),
        (r#""jti":"AAAA"#, r#""jti":"AAA"#),
        (r#""scope":"notes:read""#, r#""scope":"a\"b""#),
        (r#""scope":"notes:read""#, r#""scope":["notes:read"]"#),
        (r#""transport":"header""#, r#""transport":"session ""#),
        ("}", "}{}"),
        ("}", ""),
    ] {
        let fault = fault(&with(from, to));
        assert!(
            matches!(fault, Some(VerifyError::Claims(_))),
            "{from} {to}: {fault:?}"
        );
    }
    for claims in [&b"[]"[..], b"null", b"", b"\xff"] {
        assert_eq!(
            fault(&sign(HEADER, claims)),
            Some(VerifyError::Claims(ClaimsError::OfRefreshToken))
        );
    }
}

proptest! {
    #[test]
    fn no_text_but_ours_is_read(text in "\\PC{0,200}", header in "\\PC{0,60}", claims: Vec<u8>) {
        prop_assert!(fault(&text).is_some());
        prop_assert!(fault(&sign(&header, &claims)).is_some());
        prop_assert!(fault(&sign(HEADER, &claims)).is_some());
    }

    #[test]
    fn one_changed_character_is_enough_to_refuse(at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_.~ -]") {
        let token = sign(HEADER, CLAIMS);
        let at = at.index(token.len());
        prop_assume!(token[at..=at] != to);
        let changed = format!("{}{to}{}", &token[..at], &token[at + 1..]);
        prop_assert!(fault(&changed).is_some());
    }
}
