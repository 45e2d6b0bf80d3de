//! A session that takes the place of a session or token of another system.
//!
//! Its id and its first credential follow from a key of ours and the old credential. So each of many requests
//! that come with the same one, from several tabs or because an answer was lost, asks for the same session:
//! the first inserts it, and all get the same credential. A store needs no more for it than that an insert of
//! an id which is taken changes nothing.

use std::fmt;

use crate::session::change::Pending;
use crate::session::policy::Policy;
use crate::session::record::Session;
use crate::session::refresh_token::RefreshKeyRing;
use crate::session::rotation::{self, Login};
use crate::types::id::Bucket;
use crate::types::time::UnixTime;

/// What proves a session of another system, in a form of which there is only one: the decoded bytes and
/// not one of several spellings, what was signed and not the signature. A second spelling would be a
/// second session, also after a logout of the first.
#[derive(Clone, Copy)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a credential and where it is from"
)]
pub struct OldCredential<'a> {
    /// The system that it is from. Equal bytes of two systems have nothing to do with each other.
    pub system: &'a str,
    /// Its bytes, a secret.
    pub bytes: &'a [u8],
}

impl fmt::Debug for OldCredential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OldCredential")
            .field("system", &self.system)
            .finish_non_exhaustive()
    }
}

/// Opens the session that takes the place of an old one, as each key of the ring makes it, with the current
/// key first. If none of them is stored, the first is to be inserted; if one is, the old credential stands
/// for that one.
///
/// `ends_at` is when the old session ends; the new one ends no later. The login's epoch has to be the one that
/// every subject begins with: if all sessions of the subject were ended since, the insert is refused, and so
/// the old session has ended with the others.
pub fn adopt(
    login: &Login,
    bucket: Bucket,
    policy: &Policy,
    keys: &RefreshKeyRing,
    ends_at: UnixTime,
    old: OldCredential<'_>,
    now: UnixTime,
) -> Vec<Pending<Session>> {
    let all = keys.iter().map(|key| {
        let entropy = key.adopted(old.system, old.bytes);
        let mut pending = rotation::open(login.clone(), bucket, policy, keys, now, entropy);
        let session = &mut pending.write;
        session.absolute_expires_at = session.absolute_expires_at.min(ends_at);
        let slide = policy.slide(session.remember, session.absolute_expires_at, now);
        session.idle_expires_at = slide.idle_expires_at;
        session.purge_at = slide.purge_at;
        pending
    });
    all.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use super::*;
    use crate::access::custom::CustomClaims;
    use crate::session::record::{Authentication, Device, Transport};
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

    fn adopted(keys: &RefreshKeyRing, system: &str, bytes: &[u8], ends_at: u64) -> Vec<Session> {
        let (policy, bucket) = (Policy::default(), Bucket::from_byte(3));
        let ends_at = NOW + Duration::from_secs(ends_at);
        let old = OldCredential { system, bytes };
        let all = adopt(&login(), bucket, &policy, keys, ends_at, old, NOW);
        all.into_iter().map(|pending| pending.write).collect()
    }

    #[test]
    fn the_same_old_credential_gives_the_same_session_and_any_other_gives_another() {
        let keys = RefreshKeyRing::new(key("a", 1));
        let one = |system, bytes: &[u8]| {
            let session = adopted(&keys, system, bytes, 60).remove(0);
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
        assert_eq!(first.0.bucket(), Bucket::from_byte(3));
    }

    #[test]
    fn after_a_change_of_keys_the_earlier_session_is_among_those_to_look_for() {
        let before = adopted(&RefreshKeyRing::new(key("a", 1)), "x", b"cookie", 60);
        let ring = RefreshKeyRing::new(key("b", 2))
            .with_other(key("a", 1))
            .unwrap();
        let after = adopted(&ring, "x", b"cookie", 60);
        assert_eq!(after.len(), 2);
        assert_ne!(after[0].id, before[0].id);
        assert_eq!(after[1].id, before[0].id);
        assert_eq!(after[1].token_hash, before[0].token_hash);
    }

    #[test]
    fn it_ends_with_the_old_session_or_by_the_policy_whichever_is_first() {
        let keys = RefreshKeyRing::new(key("a", 1));
        let ends = |secs| {
            let session = adopted(&keys, "x", b"cookie", secs).remove(0);
            let (idle, absolute) = (session.idle_expires_at, session.absolute_expires_at);
            (idle.as_secs(), absolute.as_secs())
        };
        let day = 24 * 3600;
        assert_eq!(ends(60), (60, 60));
        assert_eq!(ends(100 * day), (30 * day, 100 * day));
        assert_eq!(ends(1000 * day), (30 * day, 365 * day));
        let old = OldCredential {
            system: "x",
            bytes: b"hidden",
        };
        assert!(!format!("{old:?}").contains("hidden"));
    }
}
