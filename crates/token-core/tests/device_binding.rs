//! What a proof of Device Bound Session Credentials must be, with a key in software that plays the
//! browser.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

#[path = "support/software_key.rs"]
mod software_key;

use software_key::SoftwareKey as Browser;
use token_core::access::FormError;
use token_core::binding::{
    AlreadyBound, Binding, BindingKeys, DeviceKey, DeviceState, Offer, ProofError, Unproven,
};
use token_core::{RefreshKey, RefreshKeyRing, SessionId, UnixTime};

const SESSION: SessionId = SessionId::from_bytes([7; 18]);
const OTHER: SessionId = SessionId::from_bytes([8; 18]);

fn keys(byte: u8) -> BindingKeys {
    let key = RefreshKey::new("r1".parse().unwrap(), &[byte; 32]).unwrap();
    RefreshKeyRing::new(key).binding_keys()
}

/// In the first second of a minute.
fn at(seconds: u64) -> UnixTime {
    UnixTime::from_secs(1_700_000_040 + seconds).unwrap()
}

impl Browser {
    fn register(&self, offer: &Offer) -> String {
        self.registration(&offer.challenge, offer.authorization.secret())
    }

    fn registered(&self) -> DeviceKey {
        let keys = keys(1);
        let proof = self.register(&keys.offer(SESSION, at(0)));
        keys.registration(&proof, at(0)).unwrap().key
    }
}

#[test]
fn a_browser_registers_and_renews() {
    let (keys, browser) = (keys(1), Browser::new());
    let offer = keys.offer(SESSION, at(0));
    let registration = keys.registration(&browser.register(&offer), at(1)).unwrap();
    assert_eq!(registration.session, SESSION);
    let proof = browser.renew(&keys.renewal_challenge(SESSION, at(2)));
    let renewal = keys.renewal(&proof, SESSION, at(2)).unwrap();
    assert_eq!(renewal.verify(&registration.key), Ok(()));
    let other = Browser::new().registered();
    assert_eq!(renewal.verify(&other), Err(ProofError::Signature));
}

#[test]
fn a_challenge_is_good_for_its_minute_and_those_beside_it() {
    let (keys, browser) = (keys(1), Browser::new());
    let challenge = keys.renewal_challenge(SESSION, at(0));
    assert_eq!(
        challenge,
        keys.renewal_challenge(SESSION, at(59)),
        "one signature a minute"
    );
    let proof = browser.renew(&challenge);
    let before = UnixTime::from_secs(at(0).as_secs() - 60).unwrap();
    for now in [before, at(0), at(59), at(119)] {
        assert!(keys.renewal(&proof, SESSION, now).is_ok(), "{now}");
    }
    let expired = ProofError::Challenge(Unproven::Expired);
    let earlier = UnixTime::from_secs(before.as_secs() - 1).unwrap();
    for now in [earlier, at(120)] {
        assert_eq!(
            keys.renewal(&proof, SESSION, now).unwrap_err(),
            expired,
            "{now}"
        );
    }
    let offer = keys.offer(SESSION, at(0));
    let proof = browser.register(&offer);
    assert!(keys.registration(&proof, at(119)).is_ok());
    assert_eq!(keys.registration(&proof, at(120)).unwrap_err(), expired);
}

#[test]
fn a_proof_of_another_session_server_or_use_is_refused() {
    let (own, foreign, browser) = (keys(1), keys(2), Browser::new());
    let invalid = ProofError::Challenge(Unproven::Invalid);
    let unknown = ProofError::Challenge(Unproven::UnknownKey);
    let challenge = own.renewal_challenge(SESSION, at(0));
    let proof = browser.renew(&challenge);
    assert_eq!(own.renewal(&proof, OTHER, at(0)).unwrap_err(), invalid);
    assert_eq!(
        foreign.renewal(&proof, SESSION, at(0)).unwrap_err(),
        unknown
    );
    let offer = own.offer(SESSION, at(0));
    let proof = browser.renew(&offer.challenge);
    assert_eq!(own.renewal(&proof, SESSION, at(0)).unwrap_err(), invalid);

    let authorization = offer.authorization.secret();
    let theirs = own.offer(OTHER, at(0));
    for (challenge, authorization) in [
        // A thief has what renewals hand out, and the offer of a session of their own.
        (&*challenge, authorization),
        (&*theirs.challenge, authorization),
        (&*offer.challenge, theirs.authorization.secret()),
        (&*offer.challenge, &format!("{SESSION}.{challenge}")),
        (&*offer.challenge, &format!("{SESSION}.{}", offer.challenge)),
    ] {
        let proof = browser.registration(challenge, authorization);
        assert_eq!(own.registration(&proof, at(0)).unwrap_err(), invalid);
    }
    let guessed = browser.registration(&offer.challenge, "guess");
    let claim = ProofError::Claim {
        name: "authorization",
    };
    assert_eq!(own.registration(&guessed, at(0)).unwrap_err(), claim);
}

#[test]
fn a_proof_has_the_key_at_its_registration_and_nowhere_else() {
    let (keys, browser) = (keys(1), Browser::new());
    let challenge = keys.renewal_challenge(SESSION, at(0));
    let header = format!(
        r#"{{"alg":"ES256","jwk":{},"typ":"dbsc+jwt"}}"#,
        browser.jwk()
    );
    let with_key = browser.sign(&header, &format!(r#"{{"jti":"{challenge}"}}"#));
    let refused = keys.renewal(&with_key, SESSION, at(0));
    assert_eq!(refused.unwrap_err(), ProofError::KeyPlace);
    let offer = keys.offer(SESSION, at(0));
    let payload = format!(
        r#"{{"jti":"{}","authorization":"{}"}}"#,
        offer.challenge,
        offer.authorization.secret()
    );
    let without = browser.sign(r#"{"alg":"ES256","typ":"dbsc+jwt"}"#, &payload);
    let refused = keys.registration(&without, at(0));
    assert_eq!(refused.unwrap_err(), ProofError::KeyPlace);
}

#[test]
fn a_proof_is_read_as_strictly_as_a_token() {
    let (keys, browser) = (keys(1), Browser::new());
    let challenge = keys.renewal_challenge(SESSION, at(0));
    let payload = format!(r#"{{"jti":"{challenge}"}}"#);
    for header in [
        r#"{"alg":"ES256"}"#,
        r#"{"typ":"dbsc+jwt"}"#,
        r#"{"alg":"none","typ":"dbsc+jwt"}"#,
        r#"{"alg":"RS256","typ":"dbsc+jwt"}"#,
        r#"{"alg":"ES256","typ":"at+jwt"}"#,
        r#"{"alg":"ES256","typ":"dpop+jwt"}"#,
        r#"{"alg":"ES256","typ":"dbsc+jwt","kid":"1"}"#,
        r#"{"alg":"ES256","typ":"dbsc+jwt","crit":["x"]}"#,
        r#"{"alg":"ES256","alg":"ES256","typ":"dbsc+jwt"}"#,
        r#"["alg"]"#,
    ] {
        assert!(
            keys.renewal(&browser.sign(header, &payload), SESSION, at(0))
                .is_err(),
            "{header}"
        );
    }
    let header = r#"{"alg":"ES256","typ":"dbsc+jwt"}"#;
    for payload in [
        "{}",
        &format!(r#"{{"jti":["{challenge}"]}}"#),
        &format!(r#"{{"jti":"{challenge}","jti":"{challenge}"}}"#),
        &format!(r#"{{"jti":"{challenge}"}} "x""#),
    ] {
        assert!(
            keys.renewal(&browser.sign(header, payload), SESSION, at(0))
                .is_err(),
            "{payload}"
        );
    }
    let padded = |length| format!(r#"{{"jti":"{challenge}","x":"{}"}}"#, "x".repeat(length));
    let short = browser.sign(header, &padded(100));
    assert!(keys.renewal(&short, SESSION, at(0)).is_ok());
    let long = browser.sign(header, &padded(2000));
    let refused = keys.renewal(&long, SESSION, at(0)).unwrap_err();
    let too_long = ProofError::Form(FormError::TooLong { length: long.len() });
    assert_eq!(refused, too_long);
    let proof = browser.renew(&challenge);
    for text in ["", "a.b.c", &format!("{proof}."), &proof[..proof.len() - 1]] {
        assert!(keys.renewal(text, SESSION, at(0)).is_err(), "{text}");
    }
    let key = browser.registered();
    for place in 0..proof.len() {
        let mut changed = proof.clone().into_bytes();
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        let refused = keys
            .renewal(&changed, SESSION, at(0))
            .and_then(|renewal| renewal.verify(&key));
        assert!(refused.is_err(), "{place}");
    }
}

#[test]
fn a_key_must_be_on_the_curve_and_public() {
    let (keys, browser) = (keys(1), Browser::new());
    let offer = keys.offer(SESSION, at(0));
    let payload = format!(
        r#"{{"jti":"{}","authorization":"{}"}}"#,
        offer.challenge,
        offer.authorization.secret()
    );
    let good = browser.jwk();
    let x = &good[good.find(r#""x":""#).unwrap() + 5..][..43];
    for jwk in [
        good.replace(x, &"A".repeat(43)),
        good.replace("P-256", "P-384"),
        good.replace('}', r#","d":"AAAA"}"#),
        r#"{"kty":"oct","k":"AAAA"}"#.to_owned(),
    ] {
        let header = format!(r#"{{"alg":"ES256","jwk":{jwk},"typ":"dbsc+jwt"}}"#);
        let proof = browser.sign(&header, &payload);
        let refused = keys.registration(&proof, at(0)).unwrap_err();
        // The key itself, and not only that it is another one than signed.
        assert!(matches!(refused, ProofError::Key(_)), "{jwk}: {refused:?}");
    }
    // The base point of P-384: a good key, of another curve.
    let jwk = r#"{"kty":"EC","crv":"P-384",
        "x":"qofKIr6LBTeOscce8yCtdG4dO2KLp5uYWfdB4IJUKjhVAvJdv1UpbDpUXjhydgq3",
        "y":"NhfeSpYmLG9dnpi_kpLcKfj0Hb0omhR86doxE7XwuMAKYLHOHX6BnXpDHXyQ6g5f"}"#;
    let header = format!(r#"{{"alg":"ES256","jwk":{jwk},"typ":"dbsc+jwt"}}"#);
    let proof = browser.sign(&header, &payload);
    let refused = keys.registration(&proof, at(0)).unwrap_err();
    assert_eq!(refused, ProofError::Algorithm);
    // A key is looked at only if the registration was authorised here.
    let (guessed, broken) = (r#"{"jti":"a","authorization":"a.b"}"#, good.replace(x, "A"));
    let header = format!(r#"{{"alg":"ES256","jwk":{broken},"typ":"dbsc+jwt"}}"#);
    let refused = keys.registration(&browser.sign(&header, guessed), at(0));
    assert!(!matches!(refused, Err(ProofError::Key(_))), "{refused:?}");
}

#[test]
fn a_key_is_replaced_until_it_is_used_and_never_after() {
    let (first, second) = (Browser::new().registered(), Browser::new().registered());
    let once = Binding::Unbound.registered(first).unwrap().unwrap();
    assert_eq!(once.registered(first), Ok(None), "a repeated registration");
    let twice = once.registered(second).unwrap().unwrap();
    let (Binding::Device(once), Binding::Device(bound)) = (once, twice) else {
        panic!("bound to no browser");
    };
    assert_eq!(bound.state, DeviceState::Pending);
    assert_eq!(bound.generation, once.generation.next());
    assert_eq!(twice.level(), None);
    for required in [false, true] {
        let used = twice.confirmed(required).unwrap();
        assert_eq!(used.registered(second), Ok(None));
        assert_eq!(used.registered(first), Err(AlreadyBound));
        assert_eq!(used.confirmed(required), None);
    }
    let observed = twice.confirmed(false).unwrap();
    assert_eq!(
        observed.confirmed(true),
        twice.confirmed(true),
        "after the switch to `Require`"
    );
}
