//! Keys that sign for some clients and audiences.

use crate::keys::algorithm::Algorithm;
use crate::keys::private::SigningKey;
use crate::keys::public::VerifyingKey;
use crate::keys::recipients::Recipients;
use crate::keys::ring::{KeyRing, KeyRingError};
use crate::keys::set::JwkSet;
use crate::types::name::{Audience, ClientId};
use crate::types::secret::Entropy;

fn key(byte: u8) -> SigningKey {
    SigningKey::generate(Algorithm::EdDSA, Entropy::new([byte; 64])).unwrap()
}

fn clients(names: &[&str]) -> Recipients {
    Recipients {
        clients: names.iter().map(|name| name.parse().unwrap()).collect(),
        audiences: Vec::new(),
    }
}

fn audiences(names: &[&str]) -> Recipients {
    Recipients {
        clients: Vec::new(),
        audiences: names.iter().map(|name| name.parse().unwrap()).collect(),
    }
}

#[test]
fn some_clients_have_keys_of_another_algorithm_and_all_are_published() {
    let client = |name: &str| ClientId::new(name).unwrap();
    let es256 = || SigningKey::generate(Algorithm::ES256, Entropy::new([3; 64])).unwrap();
    let [first, second] = [es256(), es256()];
    let other = KeyRing::new(first.clone())
        .with_next(second.clone())
        .unwrap();
    let ring = KeyRing::new(key(1)).with_recipients(clients(&["old", "older"]), other);
    let ring = ring.unwrap();
    let own = Audience::new("https://api.example").unwrap();
    let signs = |name| {
        ring.for_recipient(&client(name), &own)
            .current()
            .algorithm()
    };
    assert_eq!(
        ["old", "older", "new"].map(signs),
        [Algorithm::ES256, Algorithm::ES256, Algorithm::EdDSA]
    );
    let published = JwkSet::parse(&ring.jwks(), Algorithm::ALL).unwrap().keys;
    let algorithms: Vec<_> = published.iter().map(VerifyingKey::algorithm).collect();
    let [usual, other] = [Algorithm::EdDSA, Algorithm::ES256];
    assert_eq!(algorithms, [usual, other, other]);
    let signing = ring.signing_keys().map(SigningKey::algorithm);
    assert!(signing.eq([usual, other]));
    // A ring that is added keeps what it has for clients.
    let nested = KeyRing::new(key(2)).with_recipients(clients(&["oldest"]), ring.clone());
    let nested = nested.unwrap();
    let signs = |name| nested.for_recipient(&client(name), &own).current().id();
    assert_eq!(signs("old"), first.id());
    assert_eq!(signs("oldest"), key(1).id());
    assert_eq!(nested.verifying_keys().count(), 4);

    let again = ring
        .clone()
        .with_recipients(clients(&["old"]), KeyRing::new(key(5)));
    let recipient = "client old".to_owned();
    assert_eq!(
        again.unwrap_err(),
        KeyRingError::DuplicateRecipient { recipient }
    );
    let same = ring
        .clone()
        .with_recipients(clients(&[]), KeyRing::new(second));
    assert!(matches!(same, Err(KeyRingError::DuplicateId { .. })));
    let hmac = SigningKey::from_secret(&[1; 64], Algorithm::HS256).unwrap();
    let symmetric = ring.with_recipients(clients(&[]), KeyRing::new(hmac));
    assert!(matches!(symmetric, Err(KeyRingError::Mixed { .. })));
}

#[test]
fn some_audiences_have_keys_of_their_own_and_a_client_goes_before_them() {
    let audience = |name: &str| Audience::new(name).unwrap();
    let ring = KeyRing::new(key(1))
        .with_recipients(audiences(&["reports"]), KeyRing::new(key(2)))
        .and_then(|ring| ring.with_recipients(clients(&["old"]), KeyRing::new(key(3))))
        .unwrap();
    for (client, of, byte) in [
        ("web", "notes", 1),
        ("web", "reports", 2),
        ("old", "notes", 3),
        ("old", "reports", 3),
    ] {
        let keys = ring.for_recipient(&client.parse().unwrap(), &audience(of));
        assert_eq!(keys.current().id(), key(byte).id(), "{client} at {of}");
    }
    assert_eq!(ring.recipients().count(), 2);
    let again = ring.with_recipients(audiences(&["reports"]), KeyRing::new(key(4)));
    let recipient = "audience reports".to_owned();
    assert_eq!(
        again.unwrap_err(),
        KeyRingError::DuplicateRecipient { recipient }
    );
}
