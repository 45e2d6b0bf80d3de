//! Each rule of the verifier, broken alone: a token that is good but for one thing is refused, and
//! the error names that thing.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests fail the test"
)]

mod forge;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_lc_rs::signature::Ed25519KeyPair;
use forge::{
    AUDIENCE, Claims, HEADER, ISSUER, NOW, SECRET, encode, now, sign, sign_input, verifier,
};
use token_core::access::{ClaimsError, FormError, JsonError};
use token_core::keys::JwkSet;
use token_core::{
    AccessClaims, Algorithm, Entropy, KeyRing, NoClaims, RefreshKey, RefreshKeyRing, SessionId,
    SigningKey, TokenIssuer, UnixTime, UntrustedToken, Verifier, VerifyError,
};

fn verify(token: &str) -> Result<AccessClaims, VerifyError> {
    verify_at(token, now())
}

fn verify_at(token: &str, now: UnixTime) -> Result<AccessClaims, VerifyError> {
    let verifier = verifier();
    let token = UntrustedToken::parse(token)?;
    let owned = verifier.verify::<NoClaims>(token, now);
    let checked = verifier.check(token, now);
    let same = owned.as_ref().map(|_| ()).map_err(Clone::clone);
    assert_eq!(checked, same, "both ways in have the same rules");
    owned.map(token_core::VerifiedToken::into_claims)
}

fn fault(token: &str) -> VerifyError {
    verify(token).unwrap_err()
}

fn claims_fault(claims: &Claims) -> ClaimsError {
    match fault(&claims.token()) {
        VerifyError::Claims(fault) => fault,
        other => panic!("{other}"),
    }
}

fn header_fault(header: &str) -> VerifyError {
    fault(&sign(header, Claims::good().json()))
}

fn at(seconds: u64) -> UnixTime {
    UnixTime::from_secs(seconds).unwrap()
}

#[test]
fn a_good_token_is_accepted() {
    let claims = verify(&Claims::good().token()).unwrap();
    assert_eq!(claims.subject.as_str(), "alice");
    assert_eq!(claims.issuer.as_str(), ISSUER);
    assert_eq!(claims.expires_at, at(NOW + 300));
    assert!(claims.scope.contains("notes:read"));
    assert_eq!((claims.acr, claims.amr.len()), (None, 0));
}

#[test]
fn a_header_in_another_order_and_typ_in_another_spelling_is_accepted() {
    for header in [
        r#"{"typ":"at+jwt","alg":"HS256","kid":"k1"}"#,
        r#" { "kid" : "k1", "typ":"application/at+jwt", "alg":"HS256" } "#,
        r#"{"kid":"\u006b1","typ":"AT+JWT","alg":"HS256"}"#,
    ] {
        assert!(
            verify(&sign(header, Claims::good().json())).is_ok(),
            "{header}"
        );
    }
}

/// RFC 7517 section 4.5: different keys may have one `kid` if they are equivalent alternatives.
#[test]
fn of_two_keys_with_one_id_the_algorithm_of_the_token_names_one() {
    let key = |secret: &[u8], algorithm| {
        let key = SigningKey::from_secret(secret, algorithm).unwrap();
        key.with_id("k1".parse().unwrap())
    };
    let (other, ours) = (
        key(&[9; 64], Algorithm::HS512),
        key(&SECRET, Algorithm::HS256),
    );
    let (issuer, audience) = forge::names();
    let verifier = Verifier::builder(issuer, audience)
        .keys([other.verifying_key(), ours.verifying_key()])
        .build()
        .unwrap();
    let check = |algorithm: &str| {
        // Once as this library writes the header, and once in another order.
        let headers = [
            format!(r#"{{"alg":"{algorithm}","kid":"k1","typ":"at+jwt"}}"#),
            format!(r#"{{"typ":"at+jwt","kid":"k1","alg":"{algorithm}"}}"#),
        ];
        let [one, two] = headers.map(|header| {
            let token = sign(header, Claims::good().json());
            verifier.check(UntrustedToken::parse(&token).unwrap(), now())
        });
        assert_eq!(one, two);
        one
    };
    assert_eq!(check("HS256"), Ok(()));
    assert_eq!(check("HS512"), Err(VerifyError::Signature));
    let expected = Algorithm::HS512;
    assert_eq!(
        check("HS384"),
        Err(VerifyError::AlgorithmMismatch { expected })
    );
}

#[test]
fn too_long_a_token_is_refused_unread() {
    let long = sign(
        HEADER,
        Claims::good()
            .with("pad", format!("\"{}\"", "x".repeat(6000)))
            .json(),
    );
    assert_eq!(
        fault(&long),
        VerifyError::Form(FormError::TooLong { length: long.len() })
    );
    let max = 8 * 1024;
    let room = (max - 600) / 4 * 3;
    let fits = Claims::good()
        .with("pad", format!("\"{}\"", "x".repeat(room - 100)))
        .token();
    assert!(fits.len() > 7 * 1024 && fits.len() <= max);
    assert!(verify(&fits).is_ok());
}

#[test]
fn a_byte_outside_the_alphabet_is_refused() {
    let token = Claims::good().token();
    for bad in ["=", " ", "\n", "+", "/", "é", "\0"] {
        let token = format!("{token}{bad}");
        let position = token.len() - bad.len();
        assert_eq!(
            fault(&token),
            VerifyError::Form(FormError::Character { position })
        );
    }
}

#[test]
fn the_json_serialization_is_refused() {
    // draft-ietf-oauth-rfc8725bis section 2.13: one reader verifies the members, another splits at
    // the dots, and they see two different tokens.
    let token = Claims::good().token();
    let (input, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = input.split_once('.').unwrap();
    for text in [
        format!(r#"{{"protected":"{header}","payload":"{payload}","signature":"{signature}"}}"#),
        format!(
            r#"{{"payload":"{payload}","signatures":[{{"protected":"{header}","signature":"{signature}"}}]}}"#
        ),
        format!(
            r#"{{"a":".{payload}.","protected":"{header}","payload":"{payload}","signature":"{signature}"}}"#
        ),
    ] {
        assert_eq!(
            fault(&text),
            VerifyError::Form(FormError::Character { position: 0 })
        );
    }
}

#[test]
fn more_or_fewer_than_three_parts_are_refused() {
    let token = Claims::good().token();
    for (text, count) in [
        (format!("{token}."), 4),
        (format!("{token}.{token}"), 6),
        (token.rsplit_once('.').unwrap().0.to_owned(), 2),
        (String::new(), 1),
    ] {
        assert_eq!(fault(&text), VerifyError::Form(FormError::Parts { count }));
    }
}

#[test]
fn an_empty_part_is_refused() {
    let payload = encode(Claims::good().json());
    for (text, part) in [
        (sign_input(&format!(".{payload}")), "header"),
        (sign_input(&format!("{}.", encode(HEADER))), "payload"),
        (format!("{}.{payload}.", encode(HEADER)), "signature"),
    ] {
        assert_eq!(fault(&text), VerifyError::Form(FormError::Empty { part }));
    }
}

#[test]
fn another_spelling_of_the_same_bytes_is_refused() {
    // The last character of each part has unused bits, which a lenient decoder drops.
    let respell = |text: &str| {
        let mut bytes = text.as_bytes().to_vec();
        let last = bytes.last_mut().unwrap();
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let value = alphabet.iter().position(|letter| letter == last).unwrap();
        *last = alphabet[value | 1];
        String::from_utf8(bytes).unwrap()
    };
    let header = encode(r#"{"typ":"at+jwt","alg":"HS256","kid":"k1"}"#);
    assert!(!header.len().is_multiple_of(4));
    let claims = ["a", "ab", "abc"]
        .map(|sub| Claims::good().with("sub", format!("\"{sub}\"")))
        .into_iter()
        .find(|claims| !encode(claims.json()).len().is_multiple_of(4))
        .unwrap();
    let payload = encode(claims.json());
    for (token, part) in [
        (
            sign_input(&format!("{}.{payload}", respell(&header))),
            "header",
        ),
        (
            sign_input(&format!("{header}.{}", respell(&payload))),
            "payload",
        ),
        (
            respell(&sign_input(&format!("{header}.{payload}"))),
            "signature",
        ),
    ] {
        assert_eq!(
            fault(&token),
            VerifyError::Form(FormError::Encoding { part })
        );
    }
}

#[test]
fn a_header_member_that_is_not_known_is_refused() {
    for (member, expected) in [
        (r#""crit":["exp"]"#, FormError::Critical),
        (r#""zip":"DEF""#, FormError::Compressed),
        (r#""b64":false"#, FormError::Unencoded),
        (r#""b64":true"#, FormError::Unencoded),
        (r#""enc":"A128GCM""#, FormError::Encrypted),
        (r#""cty":"JWT""#, FormError::ContentType),
        (
            r#""jku":"https://evil.example""#,
            FormError::KeyReference { member: "jku" },
        ),
        (
            r#""jwk":{"kty":"oct","k":""}"#,
            FormError::KeyReference { member: "jwk" },
        ),
        (
            r#""x5u":"https://evil.example""#,
            FormError::KeyReference { member: "x5u" },
        ),
        (r#""x5c":[]"#, FormError::KeyReference { member: "x5c" }),
        (r#""x5t":"""#, FormError::KeyReference { member: "x5t" }),
        (r#""foo":1"#, FormError::UnknownMember),
        (r#""kid":"k1""#, FormError::Duplicate { member: "kid" }),
    ] {
        let header = format!(r#"{{"alg":"HS256","kid":"k1","typ":"at+jwt",{member}}}"#);
        assert_eq!(
            header_fault(&header),
            VerifyError::Form(expected),
            "{member}"
        );
    }
}

#[test]
fn a_header_that_is_not_an_object_is_refused() {
    assert_eq!(
        header_fault("[]"),
        VerifyError::Form(FormError::Json(JsonError::NotAnObject))
    );
    assert!(matches!(
        header_fault("{"),
        VerifyError::Form(FormError::Json(JsonError::Syntax { .. }))
    ));
}

#[test]
fn an_unknown_kid_is_refused_and_never_interpreted() {
    for kid in [
        "k2",
        "K1",
        "",
        "../../etc/passwd",
        "' OR 1=1 --",
        "k1\\u0000",
    ] {
        let header = format!(r#"{{"alg":"HS256","kid":"{kid}","typ":"at+jwt"}}"#);
        assert_eq!(header_fault(&header), VerifyError::UnknownKey, "{kid}");
    }
}

#[test]
fn the_algorithm_must_be_exactly_that_of_the_key() {
    let expected = VerifyError::AlgorithmMismatch {
        expected: Algorithm::HS256,
    };
    for alg in [
        "none", "None", "hs256", "HS256 ", "HS384", "RS256", "EdDSA", "",
    ] {
        let header = format!(r#"{{"alg":"{alg}","kid":"k1","typ":"at+jwt"}}"#);
        assert_eq!(header_fault(&header), expected, "{alg}");
    }
}

#[test]
fn a_token_of_another_typ_is_refused() {
    for typ in ["JWT", "rt+jwt", "at+jwt+x", "", "dpop+jwt", "text/at+jwt"] {
        let header = format!(r#"{{"alg":"HS256","kid":"k1","typ":"{typ}"}}"#);
        assert_eq!(header_fault(&header), VerifyError::WrongType, "{typ}");
    }
}

#[test]
fn a_wrong_signature_is_refused() {
    let token = Claims::good().token();
    let other = Claims::good().with("sub", "\"mallory\"").token();
    let (_, signature) = token.rsplit_once('.').unwrap();
    let (input, _) = other.rsplit_once('.').unwrap();
    assert_eq!(
        fault(&format!("{input}.{signature}")),
        VerifyError::Signature
    );
    for length in [1, 2, 31, 33, 64] {
        let token = format!("{input}.{}", encode(vec![0; length]));
        assert_eq!(fault(&token), VerifyError::Signature, "{length}");
    }
}

#[test]
fn a_signature_longer_than_any_key_makes_is_refused() {
    let (input, _) = Claims::good()
        .token()
        .rsplit_once('.')
        .map(|(a, b)| (a.to_owned(), b.len()))
        .unwrap();
    let token = format!("{input}.{}", encode(vec![0; 4000]));
    let part = "signature";
    assert_eq!(
        fault(&token),
        VerifyError::Form(FormError::Encoding { part })
    );
}

#[test]
fn claims_are_one_json_object_in_utf_8() {
    let fault = |payload: &[u8]| match fault(&sign(HEADER, payload)) {
        VerifyError::Claims(fault) => fault,
        other => panic!("{other}"),
    };
    assert_eq!(fault(b"[]"), ClaimsError::Json(JsonError::NotAnObject));
    assert_eq!(
        fault(b"\"text\""),
        ClaimsError::Json(JsonError::NotAnObject)
    );
    assert_eq!(fault(b"null"), ClaimsError::Json(JsonError::NotAnObject));
    assert_eq!(
        fault(b"{\"sub\":\"\xff\"}"),
        ClaimsError::Json(JsonError::NotUtf8)
    );
    let trailing = format!("{}{{}}", Claims::good().json());
    for broken in [
        "{",
        "{,}",
        "{\"a\":01}",
        "{\"a\":NaN}",
        "{'a':1}",
        &trailing,
        "\u{feff}{}",
    ] {
        assert!(
            matches!(fault(broken.as_bytes()), ClaimsError::Json(_)),
            "{broken}"
        );
    }
}

#[test]
fn a_duplicate_claim_is_refused() {
    for name in [
        "iss",
        "aud",
        "sub",
        "client_id",
        "sid",
        "jti",
        "iat",
        "exp",
        "auth_time",
        "scope",
    ] {
        let good = Claims::good();
        let value = good
            .0
            .iter()
            .find(|(own, _)| own == name)
            .unwrap()
            .1
            .clone();
        match claims_fault(&good.and(name, value)) {
            ClaimsError::Duplicate { claim } => assert_eq!(claim, name),
            other => panic!("{name}: {other}"),
        }
    }
    let twice = Claims::good().and("s\\u0075b", "\"mallory\"");
    assert_eq!(
        claims_fault(&twice),
        ClaimsError::Duplicate { claim: "sub" }
    );
}

#[test]
fn a_duplicate_member_is_refused_at_any_depth() {
    let another = ClaimsError::Duplicate { claim: "another" };
    let many = (0..40).fold(Claims::good(), |claims, i| claims.and(&format!("c{i}"), i));
    assert!(verify(&many.token()).is_ok());
    for claims in [
        Claims::good().and("role", 1).and("role", 1),
        Claims::good().and("role", 1).and("r\\u006fle", 1),
        Claims::good().and("r\\u006fle", 1).and("role", 1),
        Claims::good().and("a", r#"{"b":1,"b":2}"#),
        Claims::good().and("a", r#"[[{"b":{"c":1,"c":2}}]]"#),
        many.clone().and("c3", 1),
        many.clone().and("c39", 1),
        many.clone().and("c\\u0033", 1),
        many.clone().and("c3\\u0039", 1),
    ] {
        assert_eq!(claims_fault(&claims), another, "{}", claims.json());
    }
}

/// A space behind the first brace, which this library never writes, changes where an error is, and
/// nothing else: how claims begin is no way around a rule.
#[test]
fn claims_that_begin_as_ours_are_read_by_the_same_rules() {
    let claims = Claims::good().without("iss").without("aud").json();
    let rest = claims.trim_start_matches('{');
    let good = rest.trim_end_matches('}');
    for rest in [
        rest,
        &format!(r#"{good},"name":"{{","x":{{"iss":1}}}}"#),
        &format!(r#"{good},"iss":"{ISSUER}"}}"#),
        &format!(r#"{good},"aud":"{AUDIENCE}"}}"#),
        &format!(r#"{good},"\u0061ud":"{AUDIENCE}"}}"#),
        &format!(r#"{good},"x":{{"a":1,"a":2}}}}"#),
        &format!(r#"{good},"x":1,"x":1}}"#),
        &format!(r#"{good},"cnf":{{}}}}"#),
        &format!("{good},}}"),
        &format!("{good},\n\"x\":}}"),
        &format!("{good}}}}}"),
        good,
        "}",
        "",
        "\"",
        "\"\":1}",
        "1}",
        "{}}",
        r#""sub":1}"#,
        r#""sub":"alice"}"#,
    ] {
        let own = format!(r#"{{"iss":"{ISSUER}","aud":"{AUDIENCE}",{rest}"#);
        let mut verdict = verify(&sign(HEADER, &own));
        if let Err(VerifyError::Claims(ClaimsError::Json(JsonError::Syntax { line: 1, column }))) =
            &mut verdict
        {
            *column += 1;
        }
        let spaced = own.replacen('{', "{ ", 1);
        assert_eq!(verdict, verify(&sign(HEADER, spaced)), "{own}");
    }
}

#[test]
fn a_required_claim_that_is_missing_is_refused() {
    for claim in [
        "iss",
        "aud",
        "sub",
        "client_id",
        "sid",
        "jti",
        "iat",
        "exp",
        "auth_time",
    ] {
        assert_eq!(
            claims_fault(&Claims::good().without(claim)),
            ClaimsError::Missing { claim }
        );
    }
    assert!(verify(&Claims::good().without("scope").token()).is_ok());
}

#[test]
fn a_claim_of_another_type_is_refused() {
    let wrong: BTreeMap<&str, &[&str]> = BTreeMap::from([
        (
            "iss",
            ["[\"https://id.example\"]", "1", "null", "{}"].as_slice(),
        ),
        (
            "aud",
            &[
                "1",
                "null",
                "{}",
                "[1]",
                "[\"https://api.example\",null]",
                "[[]]",
            ],
        ),
        ("sub", &["1", "null", "[\"alice\"]", "true"]),
        ("client_id", &["1", "[]"]),
        ("sid", &["1", "null"]),
        ("jti", &["1", "null"]),
        (
            "iat",
            &[
                "\"1700000000\"",
                "1700000000.0",
                "-1",
                "null",
                "1.7e9",
                "[]",
            ],
        ),
        (
            "exp",
            &[
                "\"1700000300\"",
                "1700000300.5",
                "-1",
                "null",
                "1.7000003e9",
                "{}",
            ],
        ),
        ("nbf", &["\"1\"", "null", "0.5", "false"]),
        ("auth_time", &["\"1\"", "null"]),
        ("scope", &["[\"notes:read\"]", "1", "null"]),
        ("acr", &["1", "null"]),
        ("amr", &["\"pwd\"", "[1]", "null"]),
    ]);
    for (claim, values) in wrong {
        for value in values {
            assert_eq!(
                claims_fault(&Claims::good().with(claim, value)),
                ClaimsError::Type { claim },
                "{value}"
            );
        }
    }
}

#[test]
fn a_time_that_is_not_a_whole_number_in_range_is_refused() {
    for claim in ["iat", "exp", "nbf", "auth_time"] {
        for value in ["253402300800", "18446744073709551615"] {
            assert_eq!(
                claims_fault(&Claims::good().with(claim, value)),
                ClaimsError::Time { claim }
            );
        }
        let huge = Claims::good().with(claim, "99999999999999999999999");
        assert_eq!(claims_fault(&huge), ClaimsError::Type { claim });
        let endless = Claims::good().with(claim, "1e999");
        assert!(matches!(
            claims_fault(&endless),
            ClaimsError::Json(_) | ClaimsError::Type { .. }
        ));
    }
}

#[test]
fn a_claim_of_the_wrong_form_is_refused() {
    for (claim, value) in [
        ("sub", "\"\"".to_owned()),
        ("sub", format!("\"{}\"", "x".repeat(256))),
        ("sub", "\"a\\nb\"".to_owned()),
        ("client_id", "\"\"".to_owned()),
        ("client_id", "\"a\\nb\"".to_owned()),
        ("scope", "\"a\\\"b\"".to_owned()),
    ] {
        let fault = claims_fault(&Claims::good().with(claim, &value));
        assert!(
            matches!(fault, ClaimsError::Name { claim: own, .. } if own == claim),
            "{value}"
        );
    }
    for (claim, value) in [("sid", "\"short\""), ("jti", "\"AAAAAAAAAAAAAAAAAAAAA=\"")] {
        assert_eq!(
            claims_fault(&Claims::good().with(claim, value)),
            ClaimsError::Form { claim }
        );
    }
}

#[test]
fn another_issuer_is_refused() {
    for issuer in [
        "https://id.example/",
        "https://ID.example",
        "",
        "https://evil.example",
    ] {
        let token = Claims::good().with("iss", format!("\"{issuer}\"")).token();
        assert_eq!(fault(&token), VerifyError::WrongIssuer, "{issuer}");
    }
}

#[test]
fn another_audience_is_refused_and_one_of_several_is_enough() {
    for audience in [
        "\"https://other.example\"",
        "[]",
        "\"\"",
        "[\"https://api.example/\"]",
    ] {
        let token = Claims::good().with("aud", audience).token();
        assert_eq!(fault(&token), VerifyError::WrongAudience, "{audience}");
    }
    let several = format!("[\"https://other.example\",\"{AUDIENCE}\"]");
    let claims = verify(&Claims::good().with("aud", several).token()).unwrap();
    assert_eq!(claims.audience.as_str(), AUDIENCE);
}

#[test]
fn exp_is_exclusive_to_the_second_whatever_the_leeway() {
    let token = Claims::good().token();
    let expires = at(NOW + 300);
    assert!(verify_at(&token, expires - Duration::from_secs(1)).is_ok());
    let fault = verify_at(&token, expires).unwrap_err();
    assert_eq!(
        fault,
        VerifyError::Expired {
            now: expires,
            expires
        }
    );
    assert!(fault.is_expired());
    assert!(!VerifyError::Signature.is_expired());
}

#[test]
fn a_token_before_nbf_is_refused() {
    assert!(
        verify(&Claims::good().with("nbf", NOW + 5).token()).is_ok(),
        "within the leeway"
    );
    assert_eq!(
        fault(&Claims::good().with("nbf", NOW + 6).token()),
        VerifyError::InFuture {
            claim: "nbf",
            now: now(),
            time: at(NOW + 6)
        }
    );
}

#[test]
fn a_token_issued_in_the_future_is_refused() {
    assert!(
        verify(&Claims::good().with("iat", NOW + 5).token()).is_ok(),
        "within the leeway"
    );
    assert_eq!(
        fault(&Claims::good().with("iat", NOW + 6).token()),
        VerifyError::InFuture {
            claim: "iat",
            now: now(),
            time: at(NOW + 6)
        }
    );
}

#[test]
fn an_authentication_in_the_future_is_no_bound_of_validity() {
    let claims = verify(&Claims::good().with("auth_time", NOW + 86_400).token()).unwrap();
    assert_eq!(claims.auth_time, at(NOW + 86_400));
}

#[test]
fn a_token_that_expires_before_it_is_issued_is_refused() {
    assert_eq!(
        fault(&Claims::good().with("exp", NOW).token()),
        VerifyError::ExpiresBeforeIssue {
            issued: now(),
            expires: now()
        }
    );
}

#[test]
fn a_token_older_than_the_maximum_age_is_refused_whatever_exp_says() {
    let token = Claims::good().with("exp", NOW + 1_000_000_000).token();
    let limit = now() + Duration::from_hours(24);
    assert!(verify_at(&token, limit).is_ok());
    let late = limit + Duration::from_secs(1);
    assert_eq!(
        verify_at(&token, late),
        Err(VerifyError::TooOld {
            now: late,
            issued: now()
        })
    );
}

#[test]
fn a_token_bound_to_a_key_is_refused_from_a_bearer() {
    let bound = Claims::good().with("cnf", r#"{"jkt":"x"}"#);
    assert_eq!(claims_fault(&bound), ClaimsError::BoundToKey);
}

#[test]
fn an_expired_token_names_its_session_for_logout_and_a_forged_one_does_not() {
    let verifier = verifier();
    let ended = Duration::from_hours(24 * 400);
    let genuine = |token: &str| {
        verifier.verify_ignoring_expiry(UntrustedToken::parse(token).unwrap(), now() + ended)
    };
    let session = genuine(&Claims::good().token()).unwrap();
    assert_eq!(session, SessionId::from_bytes([0; 18]));
    let other = Claims::good().with("aud", "\"other\"").token();
    assert_eq!(genuine(&other), Err(VerifyError::WrongAudience));
    let forged = format!("{}A", &other[..other.len() - 1]);
    assert!(genuine(&forged).is_err());
}

#[test]
fn the_applications_claims_have_its_type() {
    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Profile {
        name: String,
        roles: Vec<String>,
    }
    let verifier = verifier();
    let verify = |token: &str| {
        let token = UntrustedToken::parse(token).unwrap();
        verifier
            .verify::<Profile>(token, now())
            .map(token_core::VerifiedToken::into_claims)
    };
    let good = Claims::good()
        .with("name", "\"Alice\"")
        .with("roles", r#"["a"]"#);
    // `deny_unknown_fields` holds: the claims of the library are not shown to the type.
    let profile = verify(&good.token()).unwrap().custom;
    assert_eq!(
        profile,
        Profile {
            name: "Alice".into(),
            roles: vec!["a".into()]
        }
    );
    for (wrong, claim) in [
        (good.clone().without("name"), "name"),
        (good.clone().with("name", 1), "name"),
        (good.clone().with("roles", r#"["a",{}]"#), "roles"),
        (good.clone().with("x", 1), "x"),
        // Not into a log as it came.
        (good.with("x y", 1), "another"),
    ] {
        let claim = claim.into();
        let fault = verify(&wrong.token()).unwrap_err();
        assert_eq!(fault, VerifyError::Claims(ClaimsError::Custom { claim }));
    }
}

#[test]
fn the_applications_claims_may_be_a_map_an_option_or_nothing() {
    type Map = BTreeMap<String, serde_json::Value>;
    let verifier = verifier();
    let token = Claims::good().with("name", "\"Alice\"").token();
    let token = UntrustedToken::parse(&token).unwrap();
    let map = verifier
        .verify::<Map>(token, now())
        .unwrap()
        .into_claims()
        .custom;
    assert_eq!(
        map.into_iter().collect::<Vec<_>>(),
        [("name".into(), "Alice".into())]
    );
    assert!(
        verifier
            .verify::<Option<Map>>(token, now())
            .unwrap()
            .claims()
            .custom
            .is_some()
    );
    assert!(verifier.verify::<serde_json::Value>(token, now()).is_ok());
    assert!(verifier.verify::<()>(token, now()).is_ok());
}

#[test]
fn no_error_repeats_what_came_in() {
    let marker = "MARKER";
    let tokens = [
        sign(
            format!(r#"{{"alg":"{marker}","kid":"k1","typ":"at+jwt"}}"#),
            "{}",
        ),
        sign(
            format!(r#"{{"alg":"HS256","kid":"{marker}","typ":"at+jwt"}}"#),
            "{}",
        ),
        sign(
            format!(r#"{{"alg":"HS256","kid":"k1","typ":"{marker}"}}"#),
            "{}",
        ),
        sign(
            format!(r#"{{"alg":"HS256","kid":"k1","typ":"at+jwt","{marker}":1}}"#),
            "{}",
        ),
        Claims::good().with("iss", format!("\"{marker}\"")).token(),
        Claims::good()
            .with("sub", format!("\"{marker}\\n\""))
            .token(),
        Claims::good().with("exp", format!("\"{marker}\"")).token(),
        Claims::good().with(marker, 1).and(marker, 1).token(),
        format!("{marker}.{marker}.{marker}"),
    ];
    for token in tokens {
        let fault = fault(&token);
        assert!(!format!("{fault} {fault:?}").contains(marker), "{fault:?}");
    }
}

/// Otherwise two services that read different claims would not agree about one token.
#[test]
fn a_claim_of_the_application_is_judged_alike_whatever_type_reads_it() {
    let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    let objects = |levels: usize| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
    for (value, good) in [
        (r#""\ud83d\ude00""#.to_owned(), true),
        (r#""\ud83d""#.to_owned(), false),
        (r#""\ude00""#.to_owned(), false),
        (r#"["\ud83d x"]"#.to_owned(), false),
        (r#"{"\ud83d":1}"#.to_owned(), false),
        (deep(100), true),
        (deep(126), true),
        (deep(127), false),
        (deep(2000), false),
        (objects(126), true),
        (objects(127), false),
    ] {
        let text = Claims::good().with("a", &value).token();
        let token = || UntrustedToken::parse(&text).unwrap();
        let ignored = verifier().verify::<NoClaims>(token(), now()).map(drop);
        let read = verifier()
            .verify::<BTreeMap<String, serde_json::Value>>(token(), now())
            .map(drop);
        assert_eq!(ignored.is_ok(), good, "{value:.40}: {ignored:?}");
        assert_eq!(read.is_ok(), good, "{value:.40}: {read:?}");
        for verdict in [ignored, read] {
            let syntax = matches!(
                verdict,
                Ok(())
                    | Err(VerifyError::Claims(ClaimsError::Json(
                        JsonError::Syntax { .. }
                    )))
            );
            assert!(syntax, "{value:.40}: {verdict:?}");
        }
    }
}

/// The ARN of a key in a KMS has 75 characters, and some issuers use a URL or a title.
#[test]
fn a_kid_and_a_client_id_may_be_long_and_have_spaces() {
    let arn = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    for id in [arn, "Signing key of 2026", &"k".repeat(255)] {
        let key = SigningKey::from_secret(&SECRET, Algorithm::HS256).unwrap();
        let key = key.with_id(id.parse().unwrap());
        let (issuer, audience) = forge::names();
        let verifier = Verifier::builder(issuer, audience).keys([key.verifying_key()]);
        let claims = Claims::good().with("client_id", format!("\"{id}\""));
        let text = sign(HEADER.replace("k1", id), claims.json());
        let token = UntrustedToken::parse(&text).unwrap();
        let token = verifier.build().unwrap().verify::<NoClaims>(token, now());
        assert_eq!(token.unwrap().claims().client_id.as_str(), id);
    }
    assert!("k".repeat(256).parse::<token_core::KeyId>().is_err());
    assert!("k".repeat(256).parse::<token_core::ClientId>().is_err());
}

/// RFC 9864 has renamed `EdDSA` with this curve to `Ed25519`.
#[test]
fn either_name_of_ed25519_is_read_with_a_key_of_either_name() {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    for algorithm in [Algorithm::EdDSA, Algorithm::Ed25519] {
        let key = SigningKey::generate(algorithm, Entropy::new([7; 64])).unwrap();
        let verifier = forge::names();
        let verifier = Verifier::builder(verifier.0, verifier.1).keys([key.verifying_key()]);
        let verifier = verifier.build().unwrap();
        for (name, good) in [
            ("EdDSA", true),
            ("Ed25519", true),
            ("ed25519", false),
            ("Ed448", false),
            ("ES256", false),
            ("none", false),
        ] {
            let header = format!(r#"{{"alg":"{name}","kid":"{}","typ":"at+jwt"}}"#, key.id());
            let input = format!("{}.{}", encode(header), encode(Claims::good().json()));
            let text = format!("{input}.{}", encode(pair.sign(input.as_bytes())));
            let token = UntrustedToken::parse(&text).unwrap();
            let verdict = verifier.check(token, now());
            let expected = if good {
                Ok(())
            } else {
                let expected = algorithm;
                Err(VerifyError::AlgorithmMismatch { expected })
            };
            assert_eq!(verdict, expected, "{name} with a key for {algorithm}");
        }
    }
}

#[test]
fn a_key_for_the_new_name_writes_it_into_its_tokens() {
    let key = SigningKey::generate(Algorithm::Ed25519, Entropy::new([7; 64])).unwrap();
    let (issuer, audience) = forge::names();
    let issuer = TokenIssuer::builder(issuer, audience).build(
        KeyRing::new(key),
        RefreshKeyRing::new(RefreshKey::new("r1".parse().unwrap(), &[7; 32]).unwrap()),
    );
    assert!(!issuer.access_keys.jwks().contains("alg"));
    let set = JwkSet::parse(&issuer.access_keys.jwks(), Algorithm::ALL).unwrap();
    assert_eq!(
        set.keys[0].algorithm(),
        Algorithm::EdDSA,
        "as nearly everybody calls it"
    );
}
