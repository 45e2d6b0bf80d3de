//! Sessions and writes for tests of any database.

use std::time::Duration;

use token_core::session::rule::{self, Login};
use token_core::session::{Change, Device, Ending, Nonce, Revocation, Rotation};
use token_core::types::TokenHash;
use token_core::{
    Authentication, ClientId, CustomClaims, Entropy, KeyId, Policy, RefreshKey, RefreshKeyRing,
    RevokeReason, Scope, Session, SessionId, Subject, Transport, UnixTime,
};
use token_session::SessionStore;
use token_session::store::{Commit, Created, DataWrite, DataWritten, Revoke, SubjectEnding};

pub(crate) fn at(seconds: u64) -> UnixTime {
    UnixTime::from_secs(1_700_000_000 + seconds).expect("before the year 9999")
}

pub(crate) fn subject(name: &str) -> Subject {
    Subject::new(name).expect("a name")
}

/// A session with something in each column, opened at `at(0)`.
pub(crate) async fn session<S: SessionStore>(store: &S, name: &str) -> Session {
    let subject = subject(name);
    let login = Login {
        epoch: store.epoch(&subject).await.expect("the epoch"),
        client_id: ClientId::new("test").expect("a name"),
        transport: Transport::Cookie,
        scope: "notes:read notes:write".parse::<Scope>().expect("a scope"),
        authentication: Authentication {
            acr: Some("gold".into()),
            ..Authentication::password(at(0))
        },
        remember: fastrand::bool(),
        claims: CustomClaims::from_json(r#"{"name":"Zoë"}"#).expect("claims"),
        device: Device::new(Some("Firefox"), Some("Mozilla/5.0"), Some("192.0.2.0/24")),
        subject,
    };
    let key = RefreshKey::new(KeyId::new("key").expect("a name"), &[3; 32]);
    let keys = RefreshKeyRing::new(key.expect("32 bytes"));
    let bucket = store.bucket(&login.subject);
    let entropy = Entropy::new(std::array::from_fn(|_| fastrand::u8(..)));
    rule::open(login, bucket, &Policy::default(), &keys, at(0), entropy).0
}

/// The same, stored.
pub(crate) async fn stored<S: SessionStore>(store: &S, name: &str) -> Session {
    let session = session(store, name).await;
    match store.create(&session, None).await.expect("create") {
        Created::Applied(row) => Session::clone(&row),
        other => panic!("not created: {other:?}"),
    }
}

/// A rotation of `session` as it stands, to a made-up credential.
pub(crate) fn rotation(session: &Session, now: UnixTime) -> Change {
    let hash = TokenHash::from_bytes(std::array::from_fn(|_| fastrand::u8(..)));
    let nonce = Nonce::from_bytes(std::array::from_fn(|_| fastrand::u8(..)));
    Change::Rotate(Rotation::new(session, hash, nonce, now))
}

pub(crate) fn ending(id: SessionId, now: UnixTime) -> Ending {
    Ending {
        id,
        revocation: Revocation {
            at: now,
            reason: RevokeReason::Logout,
        },
        purge_at: now + Duration::from_hours(24),
    }
}

pub(crate) fn subject_ending(name: &str, now: UnixTime) -> SubjectEnding {
    SubjectEnding::new(
        subject(name),
        None,
        Revocation {
            at: now,
            reason: RevokeReason::LogoutAll,
        },
        now + Duration::from_hours(24),
    )
}

/// A purge goes on until its limit, or until nothing is left, if one statement deletes at most `batch`.
pub(crate) async fn purge_in_batches<S: SessionStore>(store: &S, batch: u32) {
    let all = 2 * batch + 1;
    for _ in 0..all {
        stored(store, "alice").await;
    }
    let ended = store.revoke_subject(&subject_ending("alice", at(1))).await;
    let many = usize::try_from(all).expect("a few hundred");
    assert_eq!(ended.expect("revoke_subject").len(), many);
    let before = at(2 + 24 * 3600);
    let purged = store.purge(before, batch + 1).await.expect("purge");
    assert_eq!(purged, u64::from(batch + 1));
    let purged = store.purge(before, 10 * batch).await.expect("purge");
    assert_eq!(purged, u64::from(batch));
}

/// What one of two stores on the same tables writes is found by the other, by its id and by its subject.
pub(crate) async fn share<S: SessionStore>(one: &S, other: &S) {
    let session = stored(one, "alice").await;
    let found = other.load(session.id).await.expect("load");
    assert_eq!(found.as_deref(), Some(&session));
    let commit = other.commit(&rotation(&session, at(1))).await;
    assert!(matches!(commit.expect("commit"), Commit::Applied(_)));
    let write = DataWrite::new(session.id, 0, Some("{}".into()), at(1));
    let written = other.write_data(&write).await.expect("write_data");
    assert!(matches!(written, DataWritten::Applied), "{written:?}");
    let data = one.load_data(session.id).await.expect("load_data");
    assert_eq!(data.expect("a session").version, 1);

    let second = stored(other, "alice").await;
    let ended = other.revoke(&ending(second.id, at(2))).await;
    assert!(matches!(ended.expect("revoke"), Revoke::Applied(_)));
    let listed = other.list(&subject("alice")).await.expect("list");
    let live = listed.iter().filter(|row| row.revocation.is_none());
    assert_eq!(live.map(|row| row.id).collect::<Vec<_>>(), [session.id]);

    // A login that began before the ending of all opens nothing, and what was open is closed.
    let late = self::session(one, "alice").await;
    let all = subject_ending("alice", at(3));
    assert_eq!(
        other.revoke_subject(&all).await.expect("revoke_subject"),
        [session.id]
    );
    let created = one.create(&late, None).await.expect("create");
    assert!(matches!(created, Created::EpochPassed), "{created:?}");
    let endings = one.revocations(at(0)).await.expect("revocations");
    assert!(endings.iter().any(|ended| ended.id == session.id));
    let purged = one.purge(at(4 + 24 * 3600), 1000).await.expect("purge");
    assert_ne!(purged, 0);
}
