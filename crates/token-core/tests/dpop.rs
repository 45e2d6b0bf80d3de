//! Proofs of possession: the examples of RFC 9449, and each rule broken alone.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use token_core::binding::dpop::{
    Expected, KnownKeys, MAX_AGE, MAX_AHEAD, NonceKeys, NotRemembered, ProofError, ProofOwner,
    Target, TargetPart, UntrustedProof, UsedProofs, VerifiedProof,
};
use token_core::{SessionId, UnixTime};

const TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
const NOW: u64 = 1_562_262_618;

fn time(seconds: u64) -> UnixTime {
    UnixTime::from_secs(seconds).unwrap()
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A client's key.
enum Key {
    Ec(Box<EcdsaKeyPair>),
    Ed(Box<Ed25519KeyPair>),
}

impl Key {
    fn ec() -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self::Ec(Box::new(key))
    }

    fn ed(seed: u8) -> Self {
        let key = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        Self::Ed(Box::new(key))
    }

    fn jwk(&self) -> Value {
        match self {
            Self::Ec(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "x": base64(x), "y": base64(y) })
            }
            Self::Ed(key) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": base64(key.public_key().as_ref()) })
            }
        }
    }

    fn header(&self) -> Value {
        let algorithm = match self {
            Self::Ec(_) => "ES256",
            Self::Ed(_) => "EdDSA",
        };
        json!({ "typ": "dpop+jwt", "alg": algorithm, "jwk": self.jwk() })
    }

    fn sign(&self, header: &str, payload: &str) -> String {
        let input = format!("{}.{}", base64(header), base64(payload));
        let signature = match self {
            Self::Ec(key) => key
                .sign(&SystemRandom::new(), input.as_bytes())
                .unwrap()
                .as_ref()
                .to_vec(),
            Self::Ed(key) => key.sign(input.as_bytes()).as_ref().to_vec(),
        };
        format!("{input}.{}", base64(signature))
    }

    /// A proof with these members changed; `null` leaves one out.
    fn proof(&self, header: &Value, claims: &Value) -> String {
        let header = merged(self.header(), header);
        self.sign(
            &header.to_string(),
            &merged(claims_of_rfc(), claims).to_string(),
        )
    }
}

fn claims_of_rfc() -> Value {
    json!({
        "jti": "e1j3V_bKic8-LAEB",
        "htm": "GET",
        "htu": "https://resource.example.org/protectedresource",
        "iat": NOW,
        "ath": "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo",
    })
}

fn merged(mut object: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            object.as_object_mut().unwrap().remove(name);
        } else {
            object[name] = value.clone();
        }
    }
    object
}

const fn resource() -> Expected<'static> {
    Expected {
        method: "GET",
        target: Target {
            origin: "https://resource.example.org",
            path: "/protectedresource",
        },
        token: Some(TOKEN.as_bytes()),
        nonces: None,
    }
}

fn verify(proof: &str, expected: &Expected<'_>, now: u64) -> Result<VerifiedProof, ProofError> {
    let proof = UntrustedProof::parse(proof)?;
    let verdict = proof.verify(expected, time(now));
    // The same if the key is not known yet, and if it is.
    let known = KnownKeys::new(1);
    for _ in 0..2 {
        assert_eq!(proof.verify_knowing(&known, expected, time(now)), verdict);
    }
    verdict
}

const HEADER: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6Ik\
    VDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCR\
    nMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JE\
    QSIsImNydiI6IlAtMjU2In19";

/// RFC 9449 figure 2, of a token request.
const AT_TOKEN_ENDPOINT: &str = ".eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIj\
    oiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwia\
    WF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg\
    4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";

/// RFC 9449 figure 12, of a request with an access token.
const AT_RESOURCE: &str = ".eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIj\
    oiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0Z\
    WRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNF\
    c05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71E\
    OptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";

/// RFC 9449 section 6.1: the thumbprint of that key.
const THUMBPRINT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

#[test]
fn the_examples_of_the_rfc_are_accepted() {
    let endpoint = Expected {
        method: "POST",
        target: Target {
            origin: "https://server.example.com",
            path: "/token",
        },
        token: None,
        ..resource()
    };
    let login = verify(&format!("{HEADER}{AT_TOKEN_ENDPOINT}"), &endpoint, NOW).unwrap();
    let call = verify(&format!("{HEADER}{AT_RESOURCE}"), &resource(), NOW).unwrap();
    for proof in [login, call] {
        assert_eq!(base64(proof.thumbprint().as_bytes()), THUMBPRINT);
    }
}

#[test]
fn both_algorithms_are_accepted_and_the_key_may_say_more_of_itself() {
    for key in [Key::ec(), Key::ed(1)] {
        let algorithm = key.header()["alg"].clone();
        let more = merged(
            key.jwk(),
            &json!({ "alg": algorithm, "ext": true, "key_ops": ["verify"], "kid": "k", "use": "sig" }),
        );
        for header in [
            json!({}),
            json!({ "typ": "application/DPoP+jwt" }),
            json!({ "jwk": more }),
        ] {
            let proof = key.proof(&header, &json!({}));
            assert!(verify(&proof, &resource(), NOW).is_ok(), "{header}");
        }
    }
    let edwards = Key::ed(1).proof(&json!({ "alg": "Ed25519" }), &json!({}));
    assert!(verify(&edwards, &resource(), NOW).is_ok());
}

#[test]
fn each_rule_of_the_header_is_named() {
    let key = Key::ec();
    let jwk = |changes: Value| json!({ "jwk": merged(key.jwk(), &changes) });
    let header = |changes: Value| {
        let proof = key.proof(&changes, &json!({}));
        verify(&proof, &resource(), NOW).unwrap_err()
    };
    let missing = |part, member| ProofError::Missing { part, member };
    let wrong = |part, member| ProofError::Type { part, member };
    for (changes, error) in [
        (json!({ "typ": null }), missing("header", "typ")),
        (json!({ "typ": "JWT" }), ProofError::WrongType),
        (json!({ "typ": "at+jwt" }), ProofError::WrongType),
        (json!({ "typ": 1 }), wrong("header", "typ")),
        (json!({ "alg": null }), missing("header", "alg")),
        (json!({ "alg": "none" }), ProofError::Algorithm),
        (json!({ "alg": "HS256" }), ProofError::Algorithm),
        (json!({ "alg": "EdDSA" }), ProofError::Algorithm),
        (json!({ "alg": "ES384" }), ProofError::Algorithm),
        (json!({ "jwk": null }), missing("header", "jwk")),
        (
            json!({ "kid": "k" }),
            ProofError::UnknownMember { part: "header" },
        ),
        (
            json!({ "crit": [] }),
            ProofError::UnknownMember { part: "header" },
        ),
        (jwk(json!({ "x": null })), missing("key", "x")),
        (jwk(json!({ "y": null })), missing("key", "y")),
        (jwk(json!({ "kty": null })), missing("key", "kty")),
        (jwk(json!({ "crv": null })), missing("key", "crv")),
        (jwk(json!({ "kty": "RSA" })), ProofError::Algorithm),
        (jwk(json!({ "crv": "P-384" })), ProofError::Algorithm),
        (jwk(json!({ "alg": "ES384" })), ProofError::Algorithm),
        (jwk(json!({ "use": "enc" })), wrong("key", "use")),
        (jwk(json!({ "x": "AA" })), wrong("key", "x")),
        (jwk(json!({ "x": base64([0; 33]) })), wrong("key", "x")),
        (
            jwk(json!({ "y": format!("{}=", base64([0; 32])) })),
            wrong("key", "y"),
        ),
        (jwk(json!({ "y": base64([1; 32]) })), ProofError::Key),
        (jwk(json!({ "d": base64([1; 32]) })), ProofError::PrivateKey),
        (jwk(json!({ "k": "AA" })), ProofError::PrivateKey),
        (
            jwk(json!({ "x5u": "https://a" })),
            ProofError::UnknownMember { part: "key" },
        ),
    ] {
        assert_eq!(header(changes.clone()), error, "{changes}");
    }
    // A point of small order, for which anybody can sign.
    let weak = json!({ "kty": "OKP", "crv": "Ed25519", "x": base64([0; 32]) });
    let proof = Key::ed(1).proof(&json!({ "jwk": weak }), &json!({}));
    assert_eq!(verify(&proof, &resource(), NOW), Err(ProofError::Key));
    // The key of somebody else.
    let proof = key.proof(&json!({ "jwk": Key::ec().jwk() }), &json!({}));
    assert_eq!(verify(&proof, &resource(), NOW), Err(ProofError::Signature));
}

#[test]
fn each_rule_of_the_claims_is_named() {
    let key = Key::ec();
    let missing = |member| ProofError::Missing {
        part: "payload",
        member,
    };
    let wrong = |member| ProofError::Type {
        part: "payload",
        member,
    };
    let at = |path: &str| json!({ "htu": format!("https://resource.example.org{path}") });
    for (changes, error) in [
        (json!({ "jti": null }), missing("jti")),
        (json!({ "jti": "" }), wrong("jti")),
        (json!({ "jti": 7 }), wrong("jti")),
        (json!({ "htm": null }), missing("htm")),
        (json!({ "htm": "POST" }), ProofError::Method),
        (json!({ "htm": "get" }), ProofError::Method),
        (json!({ "htu": null }), missing("htu")),
        (
            at("/ProtectedResource"),
            ProofError::Target(TargetPart::Path),
        ),
        (
            at(":8443/protectedresource"),
            ProofError::Target(TargetPart::Port),
        ),
        (json!({ "iat": null }), missing("iat")),
        (json!({ "iat": "1562262618" }), wrong("iat")),
        (json!({ "iat": 1_562_262_618.5 }), wrong("iat")),
        (json!({ "iat": -1 }), wrong("iat")),
        (json!({ "ath": null }), ProofError::TokenHash),
        (json!({ "ath": base64([0; 32]) }), ProofError::TokenHash),
        (
            json!({ "exp": NOW }),
            ProofError::UnknownMember { part: "payload" },
        ),
    ] {
        let proof = key.proof(&json!({}), &changes);
        assert_eq!(verify(&proof, &resource(), NOW), Err(error), "{changes}");
    }
    let ignored = Expected {
        token: None,
        ..resource()
    };
    let without = key.proof(
        &json!({}),
        &json!({ "ath": null, "nonce": "another server's" }),
    );
    assert!(verify(&without, &ignored, NOW).is_ok());
}

#[test]
fn duplicate_members_and_other_forms_are_refused() {
    let key = Key::ec();
    let header = key.header().to_string();
    let claims = claims_of_rfc().to_string();
    let twice = |object: &str, member: &str| object.replacen('{', &format!("{{{member},"), 1);
    for (header, claims, part, member) in [
        (
            twice(&header, r#""alg":"ES256""#),
            claims.clone(),
            "header",
            "alg",
        ),
        (
            twice(&header, r#""\u0061lg":"ES256""#),
            claims.clone(),
            "header",
            "alg",
        ),
        (
            twice(&header, r#""jwk":{}"#),
            claims.clone(),
            "header",
            "jwk",
        ),
        (
            header.replacen(r#""crv""#, r#""kty":"EC","crv""#, 1),
            claims.clone(),
            "key",
            "kty",
        ),
        (
            header.clone(),
            twice(&claims, r#""iat":1"#),
            "payload",
            "iat",
        ),
        (
            header.clone(),
            twice(&claims, r#""htu":"""#),
            "payload",
            "htu",
        ),
    ] {
        let refused = verify(&key.sign(&header, &claims), &resource(), NOW);
        assert_eq!(
            refused,
            Err(ProofError::Duplicate { part, member }),
            "{header} {claims}"
        );
    }
    for broken in ["[]", "", "{", "{}{}", "\u{feff}{}"] {
        let refused = verify(&key.sign(&header, broken), &resource(), NOW);
        let json = matches!(
            refused,
            Err(ProofError::Json {
                part: "payload",
                ..
            } | ProofError::Form(_))
        );
        assert!(json, "{broken}: {refused:?}");
    }
    let good = key.sign(&header, &claims);
    for form in [
        "",
        "a.b",
        &good[1..],
        &format!("{good}.e30"),
        &format!("{good}="),
    ] {
        assert!(verify(form, &resource(), NOW).is_err(), "{form}");
    }
    assert!(matches!(
        verify(&"a".repeat(9000), &resource(), NOW),
        Err(ProofError::Form(_))
    ));
}

#[test]
fn a_proof_is_good_for_two_minutes_and_from_a_clock_one_minute_ahead() {
    let proof = Key::ec().proof(&json!({}), &json!({}));
    let (issued, late) = (time(NOW), NOW + MAX_AGE.as_secs());
    let early = NOW - MAX_AHEAD.as_secs();
    for (now, expected) in [
        (early, None),
        (
            early - 1,
            Some(ProofError::InFuture {
                now: time(early - 1),
                issued,
            }),
        ),
        (late, None),
        (
            late + 1,
            Some(ProofError::Expired {
                now: time(late + 1),
                issued,
            }),
        ),
    ] {
        assert_eq!(verify(&proof, &resource(), now).err(), expected, "{now}");
    }
}

#[test]
fn a_nonce_is_asked_for_last() {
    let key = Key::ec();
    let keys = NonceKeys::new([[1; 32]]);
    let nonce = keys.current(time(NOW)).unwrap();
    let demanding = Expected {
        nonces: Some(&keys),
        ..resource()
    };
    let with = |changes: Value| verify(&key.proof(&json!({}), &changes), &demanding, NOW);
    assert_eq!(with(json!({})), Err(ProofError::Nonce));
    assert_eq!(
        with(json!({ "nonce": "AAAAAAAAAAAAAAAAAAAAAA" })),
        Err(ProofError::Nonce)
    );
    assert!(with(json!({ "nonce": nonce.as_str() })).is_ok());
    // Whatever else is wrong is not made good by another nonce.
    assert_eq!(with(json!({ "htm": "PUT" })), Err(ProofError::Method));
}

#[test]
fn a_proof_is_used_once() {
    let [key, other] = [Key::ec(), Key::ec()];
    let proof = |key: &Key, id: &str, at: u64| {
        let claims = json!({ "jti": id, "iat": at });
        verify(&key.proof(&json!({}), &claims), &resource(), at).unwrap()
    };
    let of = |session: u8| ProofOwner::Session(SessionId::from_bytes([session; 18]));
    let mut used = UsedProofs::new(10, 3);
    let first = proof(&key, "1", NOW);
    assert_eq!(used.remember(&first, of(1), time(NOW)), Ok(()));
    // A second proof with the same `jti`, also if the time in it is another one of that minute.
    for again in [first, proof(&key, "1", NOW)] {
        assert_eq!(
            used.remember(&again, of(1), time(NOW)),
            Err(NotRemembered::Used)
        );
    }
    assert_eq!(
        used.remember(&proof(&other, "1", NOW), of(2), time(NOW)),
        Ok(())
    );
    for id in ["2", "3"] {
        assert_eq!(
            used.remember(&proof(&key, id, NOW), of(1), time(NOW)),
            Ok(())
        );
    }
    // One session cannot take the room of others, and nothing is forgotten before its time.
    assert_eq!(
        used.remember(&proof(&other, "4", NOW), of(1), time(NOW)),
        Err(NotRemembered::Full)
    );
    assert_eq!(
        used.remember(&proof(&other, "2", NOW), of(2), time(NOW)),
        Ok(())
    );
    let last = time(NOW) + MAX_AGE;
    assert_eq!(used.remember(&first, of(1), last), Err(NotRemembered::Used));
    assert_eq!(used.len(), 5);
    let later = NOW + MAX_AGE.as_secs() + 60;
    assert_eq!(
        used.remember(&proof(&key, "1", later), of(1), time(later)),
        Ok(())
    );
    assert_eq!(used.len(), 1);
    let full = &mut UsedProofs::new(0, 1);
    assert!(full.is_empty());
    let refused = full.remember(&first, of(1), time(NOW) + Duration::ZERO);
    assert_eq!(refused, Err(NotRemembered::Full));
}

#[test]
fn a_proof_that_has_become_too_old_is_not_used_although_its_use_is_forgotten() {
    let key = Key::ec();
    let proof = verify(&key.proof(&json!({}), &json!({})), &resource(), NOW).unwrap();
    let owner = || ProofOwner::Session(SessionId::from_bytes([1; 18]));
    let mut used = UsedProofs::new(10, 3);
    let last = time(NOW) + MAX_AGE;
    assert_eq!(used.remember(&proof, owner(), last), Ok(()));
    for late in [1, 60] {
        let late = last + Duration::from_secs(late);
        let refused = used.remember(&proof, owner(), late);
        assert_eq!(refused, Err(NotRemembered::Expired));
    }
}

#[test]
fn renewals_of_one_session_take_little_room_whatever_keys_they_prove() {
    let owner = || ProofOwner::Renewal(SessionId::from_bytes([1; 18]));
    let mut used = UsedProofs::new(1000, 1000);
    let mut remember = |owner| {
        let proof = Key::ec().proof(&json!({}), &json!({}));
        let proof = verify(&proof, &resource(), NOW).unwrap();
        used.remember(&proof, owner, time(NOW))
    };
    for _ in 0..UsedProofs::RENEWALS {
        assert_eq!(remember(owner()), Ok(()));
    }
    assert_eq!(remember(owner()), Err(NotRemembered::Full));
    let own = ProofOwner::Session(SessionId::from_bytes([1; 18]));
    assert_eq!(remember(own), Ok(()));
}

#[test]
fn a_key_that_is_known_is_that_of_its_header_alone() {
    let (one, other) = (Key::ec(), Key::ec());
    let proof = |key: &Key, header: &Key| {
        let (header, claims) = (header.header().to_string(), claims_of_rfc().to_string());
        key.sign(&header, &claims)
    };
    // With one place each key takes that of the one before.
    for places in [0, 1, 100] {
        let known = KnownKeys::new(places);
        let verify = |proof: &str| {
            let proof = UntrustedProof::parse(proof).unwrap();
            proof.verify_knowing(&known, &resource(), time(NOW))
        };
        let mut found = Vec::new();
        for _ in 0..3 {
            for key in [&one, &other] {
                found.push(verify(&proof(key, key)).unwrap().thumbprint());
            }
            for forged in [proof(&one, &other), proof(&other, &one)] {
                assert_eq!(verify(&forged), Err(ProofError::Signature));
            }
        }
        assert_ne!(found[0], found[1]);
        assert_eq!([found[0], found[1]].repeat(3), found);
    }
}
