//! Configuration that cannot be safe fails at start-up, with a sentence that says what to do.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests fail the test"
)]

mod forge;

use std::time::Duration;

use token_core::access::{VerifierBuilder, VerifierError};
use token_core::keys::{JwkSet, KeyRingError};
use token_core::{
    Algorithm, Audience, Entropy, Issuer, KeyId, KeyRing, RefreshKey, SigningKey, Verifier,
    VerifyingKey,
};

fn key(byte: u8) -> SigningKey {
    SigningKey::generate(Algorithm::EdDSA, Entropy::new([byte; 64])).unwrap()
}

fn hmac(byte: u8, algorithm: Algorithm) -> SigningKey {
    SigningKey::from_secret(&[byte; 64], algorithm).unwrap()
}

fn builder() -> VerifierBuilder {
    let (issuer, audience) = forge::names();
    Verifier::builder(issuer, audience)
}

#[test]
fn a_verifier_without_keys_is_refused() {
    assert_eq!(builder().build().unwrap_err(), VerifierError::NoKeys);
    let unusable = JwkSet::parse(r#"{"keys":[{"kty":"oct"}]}"#, Algorithm::ALL).unwrap();
    assert_eq!(
        builder().keys(&unusable.keys).build().unwrap_err(),
        VerifierError::NoKeys
    );
}

#[test]
fn a_long_leeway_is_refused() {
    let with = |seconds| {
        builder()
            .keys(KeyRing::new(key(1)).verifying_keys())
            .leeway(Duration::from_secs(seconds))
            .build()
    };
    assert!(with(0).is_ok() && with(60).is_ok());
    assert_eq!(
        with(86_400).unwrap_err().to_string(),
        "a leeway of 86400 s would accept tokens from the future; use at most 60 s"
    );
    assert!(with(61).is_err());
}

#[test]
fn a_maximum_age_of_zero_or_of_years_is_refused() {
    let with = |age| {
        builder()
            .keys(KeyRing::new(key(1)).verifying_keys())
            .max_age(age)
            .build()
    };
    assert!(with(Duration::from_secs(1)).is_ok() && with(Duration::from_hours(31 * 24)).is_ok());
    for age in [
        Duration::ZERO,
        Duration::from_millis(999),
        Duration::from_hours(24 * 365),
    ] {
        assert_eq!(
            with(age).unwrap_err(),
            VerifierError::MaxAge { max_age: age }
        );
    }
}

#[test]
fn one_key_never_serves_two_algorithms() {
    let ring = KeyRing::new(hmac(1, Algorithm::HS256));
    let fault = ring
        .clone()
        .with_next(hmac(1, Algorithm::HS512).with_id(KeyId::new("b").unwrap()));
    assert_eq!(
        fault.unwrap_err().to_string(),
        "one key serves HS256 and HS512; make a key for each algorithm"
    );
    let other = hmac(1, Algorithm::HS384).with_id(KeyId::new("c").unwrap());
    let twice = builder()
        .keys(ring.verifying_keys())
        .keys([other.verifying_key()]);
    assert!(matches!(
        twice.build().unwrap_err(),
        VerifierError::Keys(KeyRingError::TwoAlgorithms { .. })
    ));
}

#[test]
fn duplicates_and_mixtures_are_refused() {
    let ring = || KeyRing::new(key(1));
    let id = ring().current().id().clone();
    let again = ring().with_next(key(1)).unwrap_err();
    assert_eq!(again, KeyRingError::DuplicateId { id: id.clone() });
    let renamed = key(1).with_id(KeyId::new("b").unwrap());
    assert!(matches!(
        ring().with_next(renamed),
        Err(KeyRingError::DuplicateKey { .. })
    ));
    let same_id = key(2).with_id(id.clone());
    assert_eq!(
        ring().with_next(same_id).unwrap_err(),
        KeyRingError::DuplicateId { id }
    );
    // A verifier may have a key from two sources, but not two keys that no token can tell apart.
    let verifier = |other: &SigningKey| {
        let keys = [
            key(1).verifying_key().clone(),
            other.verifying_key().clone(),
        ];
        builder().keys(&keys).build()
    };
    assert!(verifier(&key(1)).is_ok());
    assert_eq!(
        verifier(&key(2).with_id(key(1).id().clone())).unwrap_err(),
        VerifierError::Keys(KeyRingError::DuplicateId {
            id: key(1).id().clone()
        })
    );
    let mixed = ring().with_previous(hmac(1, Algorithm::HS256).verifying_key().clone());
    assert!(matches!(mixed, Err(KeyRingError::Mixed { .. })));
    let ring = ring().with_next(key(2)).unwrap().with_next(key(3)).unwrap();
    let ids = ring.verifying_keys().map(VerifyingKey::id);
    let wanted = [1, 2, 3].map(key);
    assert!(
        ids.eq(wanted.iter().map(SigningKey::id)),
        "keys sign in turn"
    );
}

#[test]
fn a_ring_is_published_with_its_next_and_previous_keys() {
    let ring = KeyRing::new(key(1)).with_next(key(2)).unwrap();
    let published = |ring: &KeyRing| {
        JwkSet::parse(&ring.jwks(), Algorithm::ALL)
            .unwrap()
            .keys
            .len()
    };
    assert_eq!(
        published(&ring),
        2,
        "the next key is published before it signs"
    );
    let ring = KeyRing::new(key(2));
    let ring = ring.with_previous(key(1).verifying_key().clone()).unwrap();
    assert_eq!((ring.verifying_keys().count(), published(&ring)), (2, 2));
    assert_eq!(published(&KeyRing::new(key(2))), 1);
    let symmetric = KeyRing::new(hmac(1, Algorithm::HS256));
    assert_eq!(symmetric.jwks(), r#"{"keys":[]}"#);
}

/// What the issue of strict tokens asks for by name, and that each says what to do.
#[test]
fn an_unsafe_configuration_is_refused_with_a_sentence_that_says_what_to_do() {
    let secret = SigningKey::from_secret(&[1; 12], Algorithm::HS256);
    let refresh = RefreshKey::new(KeyId::new("r").unwrap(), &[1; 12]);
    let two = KeyRing::new(hmac(1, Algorithm::HS256))
        .with_next(hmac(1, Algorithm::HS384).with_id(KeyId::new("b").unwrap()));
    let leeway = builder()
        .keys(KeyRing::new(key(1)).verifying_keys())
        .leeway(Duration::from_hours(24))
        .build();
    for (sentence, expected) in [
        (
            secret.unwrap_err().to_string(),
            "the secret has 12 bytes, and HS256 needs at least 32; use random bytes of that length",
        ),
        (
            refresh.unwrap_err().to_string(),
            "the secret has 12 bytes, and HS256 needs at least 32; use random bytes of that length",
        ),
        (
            two.unwrap_err().to_string(),
            "one key serves HS256 and HS384; make a key for each algorithm",
        ),
        (
            leeway.unwrap_err().to_string(),
            "a leeway of 86400 s would accept tokens from the future; use at most 60 s",
        ),
        (
            builder().build().unwrap_err().to_string(),
            "there is no key to verify with; add the issuer's keys, or look why its set has no usable one",
        ),
        // Left out altogether it does not compile; see `Verifier::builder`.
        (
            Audience::new("").unwrap_err().to_string(),
            "Audience must not be empty",
        ),
        (
            Issuer::new("").unwrap_err().to_string(),
            "Issuer must not be empty",
        ),
    ] {
        assert_eq!(sentence, expected);
    }
}

#[test]
fn a_verifier_is_shared_between_threads() {
    fn shared<T: Send + Sync + Clone + 'static>(_: &T) {}
    shared(&forge::verifier());
    shared(&KeyRing::new(key(1)));
}
