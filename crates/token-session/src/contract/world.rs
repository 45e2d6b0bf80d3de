//! What the rules share: a store under test, a seed, and sessions made up from it.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use token_core::binding::{
    Binding, BindingGeneration, DeviceBinding, DeviceKey, DeviceState, Thumbprint,
};
use token_core::session::rule::{self, Login};
use token_core::session::{
    Bind, Change, Device, Ending, Epoch, Nonce, Revocation, Rotation, Slide, Touch,
};
use token_core::types::TokenHash;
use token_core::{
    Authentication, ClientId, Entropy, KeyId, Policy, RefreshKey, RefreshKeyRing, RevokeReason,
    Session, SessionId, Subject, Transport, UnixTime,
};

use crate::store::{Commit, Created, SessionStore};

/// How long a busy machine may take to what an idle one does in milliseconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A store under test and a seeded source of schedules.
#[derive(Debug)]
pub struct World<S> {
    /// The store.
    pub store: Arc<S>,
    pub(super) rng: Rng,
    pub(super) policy: Policy,
    pub(super) keys: RefreshKeyRing,
    run: u64,
}

impl<S: SessionStore> World<S> {
    /// Takes a seed from `HALLPASS_SEED`, or a new one, and prints it.
    #[expect(clippy::print_stdout, reason = "a failed test shows its seed")]
    pub fn new(store: S) -> Self {
        let seed = std::env::var("HALLPASS_SEED")
            .ok()
            .and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| fastrand::u64(..));
        println!("HALLPASS_SEED={seed}");
        let key = RefreshKey::new(KeyId::new("contract").expect("a name"), &[3; 32]);
        Self {
            store: Arc::new(store),
            rng: Rng::with_seed(seed),
            policy: Policy::default(),
            keys: RefreshKeyRing::new(key.expect("32 bytes")),
            // Subjects differ between runs on a store that is kept.
            run: fastrand::u64(..),
        }
    }

    pub(super) fn at(seconds: u64) -> UnixTime {
        UnixTime::from_secs(1_700_000_000 + seconds).expect("before the year 9999")
    }

    pub(super) fn subject(&mut self) -> Subject {
        let name = format!("subject-{:016x}-{:016x}", self.run, self.rng.u64(..));
        Subject::new(name).expect("a name")
    }

    pub(super) fn entropy(&mut self) -> Entropy {
        let mut bytes = [0; 64];
        self.rng.fill(&mut bytes);
        // Ids differ between runs on a store that is kept.
        for (byte, run) in bytes.iter_mut().zip(self.run.to_le_bytes()) {
            *byte ^= run;
        }
        Entropy::new(bytes)
    }

    /// A session opened at `now`, not stored yet.
    pub(super) fn session(&mut self, subject: &Subject, epoch: Epoch, now: UnixTime) -> Session {
        let login = Login {
            subject: subject.clone(),
            epoch,
            client_id: ClientId::new("contract").expect("a name"),
            transport: Transport::Header,
            scope: "notes:read".parse().expect("a scope"),
            authentication: Authentication::password(now),
            remember: self.rng.bool(),
            claims: token_core::CustomClaims::default(),
            device: Device::new(Some("Firefox on Linux"), Some("Mozilla/5.0"), None),
        };
        let (bucket, entropy) = (self.store.bucket(subject), self.entropy());
        rule::open(login, bucket, &self.policy, &self.keys, now, entropy).0
    }

    /// A session opened at `now`, stored.
    pub(super) async fn stored(&mut self, subject: &Subject, now: UnixTime) -> Session {
        let epoch = self.store.epoch(subject).await.expect("epoch");
        let session = self.session(subject, epoch, now);
        match self.store.create(&session, None).await.expect("create") {
            Created::Applied(row) => Session::clone(&row),
            other => panic!("not created: {other:?}"),
        }
    }

    /// A rotation that holds for `session` at `now`, to a made-up secret.
    pub(super) fn rotation(&mut self, session: &Session, now: UnixTime) -> Rotation {
        let slide = |idle: u64| Slide {
            idle_expires_at: (now + secs(idle)).min(session.absolute_expires_at),
            purge_at: now + secs(idle),
        };
        let hash = TokenHash::from_bytes(self.bytes());
        let mut rotation = Rotation::new(session, hash, Nonce::from_bytes(self.bytes()), now);
        rotation.kid = KeyId::new("another").expect("a name");
        rotation.slide = slide(1_000_000);
        rotation.remember_slide = slide(2_000_000);
        rotation
    }

    /// A touch that holds for `session` at `now`.
    pub(super) fn touch(session: &Session, now: UnixTime) -> Touch {
        let mut touch = Touch::new(session, now);
        touch.slide.idle_expires_at = session.idle_expires_at + secs(60);
        touch.slide.purge_at = session.purge_at + secs(86_400);
        touch
    }

    /// A change of the session's binding that holds at `now`.
    pub(super) fn bind(session: &Session, to: Binding, now: UnixTime) -> Change {
        Change::Bind(Bind {
            id: session.id,
            from: session.binding,
            to,
            at: now,
        })
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.rng.u8(..))
    }

    pub(super) async fn load(&self, id: SessionId) -> Option<Session> {
        self.store
            .load(id)
            .await
            .expect("load")
            .map(|row| Session::clone(&row))
    }

    /// Asserts that the store does with `change` what its meaning says.
    pub(super) async fn assert_commit(&self, change: &Change) {
        let before = self.load(change.id()).await;
        let expected = before.as_ref().and_then(|row| change.apply(row));
        let outcome = self.store.commit(change).await.expect("commit");
        let after = self.load(change.id()).await;
        match (outcome, expected) {
            (Commit::Applied(row), Some(expected)) => {
                assert_eq!(*row, expected, "the returned row");
                assert_eq!(after, Some(expected), "the stored row");
            }
            (Commit::Missed(row), None) => {
                assert_eq!(
                    row.map(|row| Session::clone(&row)),
                    before,
                    "the row in the way"
                );
                assert_eq!(after, before, "nothing was written");
            }
            (outcome, expected) => panic!("{change:?} gave {outcome:?}, not {expected:?}"),
        }
    }
}

/// A registered key, at its longest.
pub(super) fn registered(generation: u8, state: DeviceState) -> Binding {
    registered_key(0xFF, generation, state)
}

/// One of several keys.
pub(super) fn registered_key(key: u8, generation: u8, state: DeviceState) -> Binding {
    let mut key = [key; 33];
    key[0] = 3;
    Binding::Device(DeviceBinding {
        key: DeviceKey::from_bytes(key).expect("it begins as a point does"),
        generation: BindingGeneration(generation),
        state,
    })
}

/// A binding to a key of the client's.
pub(super) fn keyed(byte: u8) -> Binding {
    Binding::Key(Thumbprint::from_bytes([byte; 32]))
}

/// An ending of a session at `now`.
pub(super) fn ending(id: SessionId, now: UnixTime) -> Ending {
    let revocation = Revocation {
        at: now,
        reason: RevokeReason::Logout,
    };
    Ending {
        id,
        revocation,
        purge_at: now + secs(86_400),
    }
}

pub(super) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
