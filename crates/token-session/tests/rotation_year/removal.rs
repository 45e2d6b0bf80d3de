//! Keys that must not be accepted any more: retired by the schedule, or removed because they leaked.

use token_core::session::Credentials;
use token_core::{KeyId, KeyRing, UnixTime, VerifyingKey};

use crate::nodes::File;
use crate::year::{Year, clock};
use crate::{MAX_AGE, PROPAGATION, SKEWS, TOLERANCE};

/// A key that may sign no more: from when on nodes, and from when on readers, must refuse it.
pub(crate) struct Retired {
    pub(crate) token: String,
    pub(crate) nodes_from: u64,
    pub(crate) readers_from: u64,
}

impl Year {
    /// What a thief with an old private key would sign, now or later.
    pub(crate) fn note_retired(&mut self, now: UnixTime) {
        let ring = self.file.access.ring(&self.access, now).unwrap();
        let kept: Vec<&KeyId> = ring.verifying_keys().map(VerifyingKey::id).collect();
        let ids = self
            .file
            .access
            .keys()
            .iter()
            .map(|planned| planned.key.id());
        let expired: Vec<KeyId> = ids.filter(|id| !kept.contains(id)).cloned().collect();
        for id in expired {
            // The last clock has passed the moment when this one says so.
            self.retire(&id, self.now + TOLERANCE);
        }
    }

    /// A refresh key leaked, and everybody whom it let in is to log in again.
    pub(crate) fn refresh_emergency(&mut self) {
        self.counts.refresh_emergencies += 1;
        let now = clock(self.now, SKEWS[self.dice.index(SKEWS.len())]);
        let id = {
            let keys = self.file.refresh.keys();
            keys[self.file.refresh.current(now)].key.kid().clone()
        };
        let refresh = self.file.refresh.clone();
        let (refresh, unknown_until) = refresh.remove(&id, &self.refresh, now).unwrap();
        assert_eq!(unknown_until, None, "the next key is known already");
        self.write(File {
            refresh,
            ..self.file.clone()
        });
        self.removed_refresh.push((id, self.now));
    }

    /// When a refresh key was removed, if it was.
    pub(crate) fn removed_at(&self, id: &KeyId) -> Option<u64> {
        let mut removed = self.removed_refresh.iter();
        removed.find(|(key, _)| key == id).map(|(_, at)| *at)
    }

    pub(crate) fn retire(&mut self, id: &KeyId, nodes_from: u64) {
        let key = self.all.iter().find(|key| key.id() == id).unwrap();
        let ring = KeyRing::new(key.clone());
        let mut issuer = self.issuer(0);
        issuer.access_keys = ring;
        let (granted, ..) = self.open(0);
        let entropy = self.entropy.draw();
        let scope = granted.session().scope.clone();
        // It signs for a far time and a long life; here that hour is always.
        let now = clock(self.now, 0);
        let issued = issuer.issue(&granted, &scope, now, entropy).unwrap();
        let Credentials::Tokens(pair) = issued.give_out(&granted).unwrap() else {
            unreachable!("the transport is `header`");
        };
        self.retired.push(Retired {
            token: pair.access_token.secret().to_owned(),
            nodes_from,
            readers_from: nodes_from + MAX_AGE,
        });
    }

    pub(crate) fn emergency(&mut self) {
        self.counts.emergencies += 1;
        let now = clock(self.now, SKEWS[self.dice.index(SKEWS.len())]);
        let id = {
            let keys = self.file.access.keys();
            keys[self.file.access.current(now)].key.id().clone()
        };
        let access = self.file.access.clone();
        let (access, unknown_until) = access.remove(&id, &self.access, now).unwrap();
        assert_eq!(unknown_until, None, "the next key is known already");
        self.write(File {
            access,
            ..self.file.clone()
        });
        self.removed.push(id.clone());
        self.retire(&id, self.now + PROPAGATION);
    }
}
