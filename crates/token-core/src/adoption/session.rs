//! Opening the session that takes the place of an old one, and finding it again.

use zeroize::Zeroizing;

use crate::adoption::credential::OldCredential;
use crate::session::change::Committed;
use crate::session::issue::TokenIssuer;
use crate::session::record::{Nonce, Session, Transport};
use crate::session::refresh_token::RefreshKeyRing;
use crate::session::rule::granted::{Granted, Pending};
use crate::session::rule::rotation::{self, Login};
use crate::types::id::Bucket;
use crate::types::secret::Entropy;
use crate::types::time::UnixTime;

/// Opens the session that takes the place of an old one. If its id is stored already, the old credential stands
/// for that session: see [`adopted`].
///
/// `ends_at` is when the old session ends; the new one ends no later. The login's epoch has to be the one that
/// every subject begins with: if all sessions of the subject were ended since, the insert is refused, and so
/// the old session has ended with the others. `entropy` makes the one that is stored known to who stored it: by its
/// nonce. All else is the same for every request with the same old credential.
pub fn adopt(
    login: Login,
    bucket: Bucket,
    issuer: &TokenIssuer,
    ends_at: UnixTime,
    old: OldCredential<'_>,
    now: UnixTime,
    entropy: Entropy,
) -> (Session, Pending) {
    let (policy, keys) = (&issuer.policy, &issuer.refresh_keys);
    let secret = old.secret(keys.current());
    let mut of_old = Zeroizing::new([0; 64]);
    let bytes = old.id().into_iter().chain(secret.secret().iter().copied());
    for (to, from) in of_old.iter_mut().zip(bytes) {
        *to = from;
    }
    let (mut session, pending) =
        rotation::open(login, bucket, policy, keys, now, Entropy::new(*of_old));
    let absolute = session.absolute_expires_at.min(ends_at);
    let slide = match session.transport {
        // A client that is not updated goes on with the old token, and with that no deadline moves.
        Transport::Header => policy.kept_until(absolute),
        Transport::Cookie | Transport::Session => policy.slide(session.remember, absolute, now),
    };
    session.absolute_expires_at = absolute;
    session.idle_expires_at = slide.idle_expires_at;
    session.purge_at = slide.purge_at;
    // The hash is that of every request with the same old credential, and by this each knows its own work.
    session.nonce = Nonce::new(entropy);
    (session, pending)
}

/// The first credential of the session that is stored for an old one: the same for everybody who comes with
/// that. `None` if the session has another one by now, or if the key that made the first has gone.
pub fn adopted(
    session: Committed<Session>,
    keys: &RefreshKeyRing,
    old: OldCredential<'_>,
) -> Option<Granted> {
    let secret = old.secret(keys.find(&session.rotation_kid).ok()?);
    let hash = secret.hash();
    Granted::new(session, secret, hash).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use super::*;
    use crate::access::custom::CustomClaims;
    use crate::keys::algorithm::Algorithm;
    use crate::keys::private::SigningKey;
    use crate::keys::ring::KeyRing;
    use crate::session::record::{Authentication, Device};
    use crate::session::refresh_token::RefreshKey;
    use crate::types::count::Epoch;
    use crate::types::name::{ClientId, Subject};
    use crate::types::scope::Scope;

    const NOW: UnixTime = UnixTime::EPOCH;

    fn login() -> Login {
        Login {
            subject: Subject::new("alice").unwrap(),
            epoch: Epoch::default(),
            client_id: ClientId::new("web").unwrap(),
            transport: Transport::Session,
            scope: Scope::default(),
            authentication: Authentication::password(NOW),
            remember: false,
            claims: CustomClaims::default(),
            device: Device::default(),
        }
    }

    fn key(name: &str, byte: u8) -> RefreshKey {
        RefreshKey::new(name.parse().unwrap(), &[byte; 32]).unwrap()
    }

    fn opened(keys: &RefreshKeyRing, login: Login, old: OldCredential<'_>, secs: u64) -> Session {
        let access = SigningKey::generate(Algorithm::EdDSA, Entropy::new([1; 64])).unwrap();
        let iss = "https://id.example".parse().unwrap();
        let issuer = TokenIssuer::builder(iss, "https://api.example".parse().unwrap())
            .build(KeyRing::new(access), keys.clone());
        let ends_at = NOW + Duration::from_secs(secs);
        let (bucket, entropy) = (Bucket(3), Entropy::new([2; 64]));
        adopt(login, bucket, &issuer, ends_at, old, NOW, entropy).0
    }

    const OLD: OldCredential<'_> = OldCredential {
        system: "x",
        bytes: b"cookie",
    };

    #[test]
    fn an_old_credential_is_not_printed() {
        let printed = r#"OldCredential { system: "x", .. }"#;
        assert_eq!(format!("{OLD:?}"), printed);
        let session = opened(&RefreshKeyRing::new(key("a", 1)), login(), OLD, 60);
        assert!(format!("{session:?}").contains("Nonce([redacted])"));
    }

    #[test]
    fn the_same_old_credential_gives_the_same_session_and_any_other_gives_another() {
        let keys = RefreshKeyRing::new(key("a", 1));
        let one = |system, bytes: &[u8]| {
            let session = opened(&keys, login(), OldCredential { system, bytes }, 60);
            (session.id, *session.token_hash.as_bytes())
        };
        let first = one("x", b"cookie");
        assert_eq!(one("x", b"cookie"), first);
        let others = [
            one("x", b"cookie2"),
            one("x", b""),
            one("xc", b"ookie"),
            one("y", b"cookie"),
        ];
        let ids: HashSet<_> = others.iter().chain([&first]).map(|(id, _)| *id).collect();
        let hashes: HashSet<_> = others
            .iter()
            .chain([&first])
            .map(|(_, hash)| hash)
            .collect();
        assert_eq!((ids.len(), hashes.len()), (5, 5));
        assert_eq!(first.0.bucket(), Bucket(3));
    }

    #[test]
    fn after_a_change_of_keys_the_session_and_its_credential_are_the_same() {
        let before = opened(&RefreshKeyRing::new(key("a", 1)), login(), OLD, 60);
        let ring = RefreshKeyRing::new(key("b", 2));
        let after = opened(&ring, login(), OLD, 60);
        assert_eq!(after.id, before.id);
        assert_ne!(after.token_hash, before.token_hash);

        let stored = || Committed::assertion(before.clone());
        assert!(adopted(stored(), &ring, OLD).is_none(), "its key has gone");
        let ring = ring.with_other(key("a", 1)).unwrap();
        assert!(adopted(stored(), &ring, OLD).is_some());
        let other = OldCredential {
            bytes: b"other",
            ..OLD
        };
        assert!(adopted(stored(), &ring, other).is_none());
    }

    #[test]
    fn it_ends_with_the_old_session_or_by_the_policy_whichever_is_first() {
        let keys = RefreshKeyRing::new(key("a", 1));
        let ends_by = |transport, secs| {
            let login = Login {
                transport,
                ..login()
            };
            let session = opened(&keys, login, OLD, secs);
            let (idle, absolute) = (session.idle_expires_at, session.absolute_expires_at);
            (idle.as_secs(), absolute.as_secs())
        };
        let ends = |secs| ends_by(Transport::Session, secs);
        let day = 24 * 3600;
        assert_eq!(ends(60), (60, 60));
        assert_eq!(ends(100 * day), (30 * day, 100 * day));
        assert_eq!(ends(1000 * day), (30 * day, 365 * day));
        // An old token can be used until it expires, and moves no deadline.
        let ends = |secs| ends_by(Transport::Header, secs);
        assert_eq!(ends(100 * day), (100 * day, 100 * day));
        assert_eq!(ends(1000 * day), (365 * day, 365 * day));
    }
}
